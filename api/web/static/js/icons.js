// Icons that many pages use, and their HTML need not have.

const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  menu: "M4 6.500h16M4 12h16M4 17.500h16",
  bell: "M18 15.500V10.500a6 6 0 0 0-12 0v5l-1.500 2h15ZM10 20.500h4",
  down: "M6 9.500l6 6 6-6",
  out: "M14 4H6v16h8M10.500 12H21M17 8l4 4-4 4",
  person: "M12 12.500a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.500 20.500a7.500 7.500 0 0 1 15 0",
  sun: "M12 8.200a3.800 3.800 0 1 0 0 7.600 3.800 3.800 0 0 0 0-7.600ZM12 2.500v2.200M12 19.300v2.200M2.500 12h2.200M19.300 12h2.200M5.300 5.300l1.500 1.500M17.200 17.200l1.500 1.500M5.300 18.700l1.500-1.500M17.200 6.800l1.500-1.500",
  moon: "M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500Z",
  device: "M3.500 5h17v11h-17ZM9 20h6M12 16v4",
  eye: "M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12ZM12 9.200a2.800 2.800 0 1 0 0 5.600 2.800 2.800 0 0 0 0-5.600Z",
  "eye-off": "M4 4l16 16M9.900 6A9.600 9.600 0 0 1 12 5.500c6 0 9.500 6.500 9.500 6.500a17 17 0 0 1-2.600 3.300M6.200 7.600A17 17 0 0 0 2.500 12S6 18.500 12 18.500c1.400 0 2.700-.4 3.900-.9",
  check: "M5 12.500l4.500 4.500L19 7.500",
  cross: "M6 6l12 12M18 6L6 18",
  turn: "M12 4v9M12 17.500v.6M12 2.500 22 20.500H2Z",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 11v6M12 7.400v.2",
  shield: "M12 3l7.500 2.700v5.800c0 4.700-3.200 8-7.500 9.500-4.300-1.500-7.500-4.800-7.500-9.500V5.700ZM8.700 12l2.400 2.400 4.300-4.600",
  save: "M12 4v10.500M7.500 10.500l4.500 4.500 4.500-4.500M5 20h14",
  copy: "M9 9h11v11H9ZM15 9V4H4v11h5",
  mic: "M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3ZM6 11a6 6 0 0 0 12 0M12 17v4M9 21h6",
  "mic-off": "M9 9V6a3 3 0 0 1 6 0v5M6 11a6 6 0 0 0 9.500 4.900M18 11v1M12 17v4M9 21h6M4 4l16 16",
  end: "M6 6h12v12H6Z",
  bookmark: "M7 4h10v16l-5-4-5 4Z",
  idea: "M9 18h6M10 21h4M12 3a6 6 0 0 0-3.500 10.900c.6.5 1 1.200 1 2V16h5v-.1c0-.8.4-1.500 1-2A6 6 0 0 0 12 3Z",
  headphones: "M4 15v-2.500a8 8 0 0 1 16 0V15M4 14h3.200v6H5.500A1.500 1.500 0 0 1 4 18.500ZM20 14h-3.200v6h1.700a1.500 1.500 0 0 0 1.500-1.500Z",
  whisper: "M4.500 5h15v10.500h-7.500L8 19.500v-4H4.500ZM8.500 10.200h.1M12 10.200h.1M15.500 10.200h.1",
  megaphone: "M4 10v4.500h3.500L17 19V5.500L7.500 10ZM20 10a3.500 3.500 0 0 1 0 4.500M8.500 14.500 10 20h2.500l-1.200-4.200",
  customer: "M10 12a3.700 3.700 0 1 0 0-7.400 3.700 3.700 0 0 0 0 7.400ZM3.500 20a6.500 6.500 0 0 1 10.500-5.100M15 13h6.500v5H18l-2 2v-2h-1Z",
  invite: "M10 12a3.700 3.700 0 1 0 0-7.400 3.700 3.700 0 0 0 0 7.400ZM3.500 20a6.500 6.500 0 0 1 13 0M19 7.500v6M16 10.500h6",
  star: "M12 4l2.500 5.200 5.700.8-4.100 4 1 5.700-5.100-2.700-5.100 2.700 1-5.700-4.100-4 5.700-.8Z",
  question: "M9 9.500a3 3 0 1 1 4.500 2.600c-1 .6-1.500 1.200-1.500 2.200M12 17.300v.2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z",
  ear: "M7 10a5 5 0 0 1 10 0c0 3-2.500 3.500-3 6-.3 1.900-1.300 3.200-3 3.200a3 3 0 0 1-3-2.700M9.700 10.300a2.300 2.300 0 0 1 4.600 0c0 1.500-1.600 1.700-1.900 3.200",
  slow: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 7v5.200l3.500 2",
  flag: "M6 21V4M6 5h12l-2.500 3.700 2.500 3.800H6",
  send: "M4 11.500 20 4l-5.500 16-3.500-6.500ZM11 13.500 20 4",
};

/** Adds those icons to the page that its HTML has not, so that `icon` of element.js finds them. */
export function addIcons() {
  const sprite = document.createElementNS(SVG, "svg");
  sprite.setAttribute("class", "sprite");
  sprite.setAttribute("aria-hidden", "true");
  for (const [name, d] of Object.entries(PATHS)) {
    if (document.getElementById(`icon-${name}`)) continue;
    const symbol = document.createElementNS(SVG, "symbol");
    symbol.id = `icon-${name}`;
    symbol.setAttribute("viewBox", "0 0 24 24");
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    symbol.append(path);
    sprite.append(symbol);
  }
  document.body.append(sprite);
}
