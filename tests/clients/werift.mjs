// Publishes Opus packets with werift over WHIP, at the pace of speech, then ends the call.
// Usage: node werift.mjs WHIP_URL PACKETS, with a token in FORECOURT_TOKEN; PACKETS holds 20 ms packets, base64, one
// a line.
// Prints what it receives on its data channels: one event a line, JSON.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { MediaStreamTrack, RTCPeerConnection, RtpHeader, RtpPacket } from "werift";

const PACKET_MS = 20;
const TICKS = 48 * PACKET_MS;
const PATIENCE_MS = 15_000;

const [whipUrl, file] = process.argv.slice(2);
const packets = readFileSync(file, "ascii").trim().split("\n").map((line) => Buffer.from(line, "base64"));

// The node is on this machine, and offers nothing but 127.0.0.1.
const pc = new RTCPeerConnection({ iceServers: [], iceAdditionalHostAddresses: ["127.0.0.1"] });
const track = new MediaStreamTrack({ kind: "audio" });
pc.addTransceiver(track, { direction: "sendonly" });
const events = pc.createDataChannel("events");
const meters = pc.createDataChannel("meters", { ordered: false, maxRetransmits: 0 });

const within = (promise, what) =>
  Promise.race([
    promise,
    sleep(PATIENCE_MS, undefined, { ref: false }).then(() => {
      throw new Error(`no ${what} within ${PATIENCE_MS / 1000} s`);
    }),
  ]);
const open = Promise.all([events, meters].map((channel) => new Promise((done) => (channel.onopen = done))));
const completed = new Promise((done) => {
  for (const channel of [events, meters]) {
    channel.onmessage = ({ data }) => {
      for (const event of JSON.parse(data)) {
        console.log(JSON.stringify(event));
        if (event.type === "session.state" && event.data.state === "completed") done();
      }
    };
  }
});

await pc.setLocalDescription(await pc.createOffer());
const answered = await fetch(whipUrl, {
  method: "POST",
  headers: { "Content-Type": "application/sdp", Authorization: `Bearer ${process.env.FORECOURT_TOKEN}` },
  body: pc.localDescription.sdp,
});
const answer = await answered.text();
if (answered.status !== 201) throw new Error(`${answered.status}: ${answer}`);
await pc.setRemoteDescription({ type: "answer", sdp: answer });
await within(open, "data channels");

const begunMs = performance.now();
for (const [index, payload] of packets.entries()) {
  await sleep(Math.max(0, begunMs + index * PACKET_MS - performance.now()));
  // werift puts its own payload type, SSRC and offsets in
  const header = new RtpHeader({ sequenceNumber: index, timestamp: index * TICKS, marker: index === 0 });
  track.writeRtp(new RtpPacket(header, payload));
}
events.send(JSON.stringify({ type: "end" }));
await within(completed, "completed");
await pc.close();
process.exit(); // a closed connection leaves sockets and a timer behind
