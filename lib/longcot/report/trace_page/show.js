// Showing: every text as a text node, formulas rebuilt from the elements that are allowed.

function make(tag, about = {}, ...children) {
  const node = Object.assign(document.createElement(tag), about);
  node.append(...children.filter(child => child !== null));
  return node;
}

function formula(markup) {
  const copy = node => {
    if (node.nodeType === Node.TEXT_NODE) return document.createTextNode(node.data);
    if (!index.math.elements.includes(node.localName)) return document.createTextNode(node.textContent);
    const made = document.createElementNS("http://www.w3.org/1998/Math/MathML", node.localName);
    for (const { name, value } of node.attributes)
      if (index.math.attributes.includes(name)) made.setAttribute(name, value);
    made.append(...[...node.childNodes].map(copy));
    return made;
  };
  const inert = new DOMParser().parseFromString(markup, "text/html").querySelector("math");
  return inert ? copy(inert) : document.createTextNode("");
}

function shown({ text, marks, formulas }, from = 0, to = text.length) {
  const out = document.createDocumentFragment(), [first, last] = marks.answer ?? [-1, -1];
  const answer = make("mark", { className: "answer" });
  let at = from;
  const put = (node, where) => {
    if (where < first || where >= last) return out.append(node);
    if (!answer.isConnected && !answer.parentNode) out.append(answer);
    answer.append(node);
  };
  const plain = end => {
    for (const cut of [first, last, end])
      if (at < cut && cut <= end) { put(document.createTextNode(text.slice(at, cut)), at); at = cut; }
  };
  for (let i = 0; i < marks.formulas.length; i += 3) {
    const [start, length, number] = marks.formulas.slice(i, i + 3);
    if (start < from || start + length > to) continue;
    plain(start);
    put(formula(formulas[number]), start);
    at = start + length;
  }
  plain(to);
  return out;
}

function traceNode(one) {
  const [from, to] = one.marks.thought ?? [0, 0];
  if (!to) return make("div", { className: "trace" }, shown(one));
  const fold = make("details", {}, make("summary", { textContent: `thoughts, ${(to - from).toLocaleString()} characters` }),
    make("div", { className: "trace" }, shown(one, from, to)));
  return make("div", { className: "trace" }, shown(one, 0, from), fold, shown(one, to));
}
