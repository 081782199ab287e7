// Laid under a page: tapes what it is sent of others, each track apart.
(() => {
  const tracks = [];
  const Native = window.RTCPeerConnection;
  let tapes = [];

  window.RTCPeerConnection = class extends Native {
    constructor(...settings) {
      super(...settings);
      this.addEventListener("track", ({ track }) => tracks.push(track));
    }
  };

  window.startTapes = () => {
    tapes = tracks.filter(({ readyState }) => readyState === "live").map((track) => {
      const recorder = new MediaRecorder(new MediaStream([track]), { audioBitsPerSecond: 96000 });
      const parts = [];
      recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
      const stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve));
      recorder.start();
      return { recorder, parts, stopped };
    });
  };

  window.stopTapes = () => Promise.all(tapes.map(async ({ recorder, parts, stopped }) => {
    recorder.stop();
    await stopped;
    const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    return btoa(text);
  }));
})();
