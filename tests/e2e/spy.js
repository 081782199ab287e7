// Looks over the page's shoulder: which tracks, channels and locks it took, what it sent, and
// what it had a screen reader say.
// A test may also let them tell the page what no machine here can provoke.
window.spied = { tracks: [], channels: {}, sent: [], states: [], said: [], locks: [], constraints: [] };

if (navigator.mediaDevices) {
  const getUserMedia = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    window.spied.constraints.push(constraints);
    const stream = await getUserMedia(constraints);
    window.spied.tracks.push(...stream.getTracks());
    return stream;
  };
}

const createDataChannel = RTCPeerConnection.prototype.createDataChannel;
RTCPeerConnection.prototype.createDataChannel = function create(label, options) {
  const channel = createDataChannel.call(this, label, options);
  window.spied.channels[label] = channel;
  channel.addEventListener("message", ({ data }) => {
    for (const { type, data: { state } } of JSON.parse(data)) if (type === "session.state") window.spied.states.push(state);
  });
  return channel;
};

const send = RTCDataChannel.prototype.send;
RTCDataChannel.prototype.send = function spiedSend(data) {
  window.spied.sent.push(JSON.parse(data));
  return send.call(this, data);
};

addEventListener("DOMContentLoaded", () => {
  const announcer = document.getElementById("announcer");
  const note = () => { if (announcer.textContent) window.spied.said.push(announcer.textContent); };
  if (announcer) new MutationObserver(note).observe(announcer, { childList: true });
});

if (navigator.wakeLock) {
  navigator.wakeLock.request = async (type) => {
    const sentinel = Object.assign(new EventTarget(), {
      type,
      released: false,
      async release() { this.released = true; },
    });
    window.spied.locks.push(sentinel);
    return sentinel;
  };
}
