const folder = document.documentElement.dataset.folder;
const $ = id => document.getElementById(id);
const FILE = 0, PROBLEM = 1, SAMPLE = 2, STAGE = 3, VERDICT = 4, ENDING = 5, TOKENS = 6, LENGTH = 7, ANSWER = 8;
const LINE = 9, PIECE = 10, PLACE = 11; // of a row of traces
const KEPT = 60; // pieces in memory, a megabyte of text each

// Data: scripts beside the page, which a page opened from disk may load, and nothing else.

const arrived = new Map(), kept = new Map();
globalThis.longcotPiece = (name, ...parts) => arrived.get(name)?.(parts);

function load(name) {
  const there = kept.get(name) ?? new Promise((resolve, reject) => {
    const script = document.createElement("script");
    arrived.set(name, resolve);
    script.src = `${folder}/${name}.js`;
    script.onload = () => { script.remove(); arrived.delete(name); };
    script.onerror = () => reject(new Error(`${folder}/${name}.js is missing: it belongs beside this page`));
    document.head.append(script);
  });
  kept.delete(name);
  kept.set(name, there); // the last one asked for is the last to go
  if (kept.size > KEPT) kept.delete(kept.keys().next().value);
  return there;
}

async function inflate(packed) {
  const bytes = Uint8Array.fromBase64?.(packed) ?? Uint8Array.from(atob(packed), one => one.charCodeAt(0));
  const unpacking = new DecompressionStream("deflate"), into = unpacking.writable.getWriter();
  into.write(bytes);
  into.close();
  return new Response(unpacking.readable).text();
}

async function textsOf(piece) {
  return (await inflate((await load(String(piece)))[0])).split("\0");
}

async function whole(piece, place) {
  const [texts, marks] = await load(String(piece)).then(parts => Promise.all(parts.map(inflate)));
  const of = JSON.parse(marks);
  return { text: texts.split("\0")[place], marks: of.texts[place], formulas: of.formulas };
}
