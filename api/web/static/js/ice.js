// STUN and TURN servers that a WHIP endpoint names in `Link` headers (RFC 9725, 4.6; RFC 8288).

import { links } from "./api.js";

const LINK = /<([^<>]*)>((?:\s*;\s*[\w!#$%&'*+.^`|~-]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]*))?)*)/g;
const PARAMETER = /;\s*([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?/g;

/** What goes into `iceServers` of an RTCPeerConnection. Throws a Problem when the node does not answer. */
export const iceServers = async (whipUrl, token, signal) => serversOf(await links(whipUrl, token, signal));

/** The servers among the values of `Link` headers, joined by commas as `Headers.get` joins them. */
export function serversOf(header) {
  return [...header.matchAll(LINK)].flatMap(([, urls, rest]) => {
    const { rel = "", username, credential } = parametersOf(rest);
    if (!rel.split(/\s+/).includes("ice-server")) return [];
    return [username === undefined ? { urls } : { urls, username, credential }];
  });
}

function parametersOf(text) {
  const parameters = {};
  for (const [, name, quoted, bare] of text.matchAll(PARAMETER)) {
    parameters[name.toLowerCase()] ??= quoted === undefined ? bare ?? "" : quoted.replace(/\\(.)/g, "$1");
  }
  return parameters;
}
