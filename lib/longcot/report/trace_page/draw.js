// What is chosen, and its drawing.

const LISTED = 400; // problems in the list at once
let index, hits = new Set(), searching = 0, listed = [], ranges = [], range = 0;
const state = { set: "", arms: [0, -1], problem: 0, rows: [null, null] }; // arms: places in index.files, -1 none
const filters = { verdict: "", ending: "", pair: "", search: "" };
const PAIRS = {
  "first wrong, second right": (a, b) => a < 0.5 && b >= 0.5,
  "first right, second wrong": (a, b) => a >= 0.5 && b < 0.5,
  "both wrong": (a, b) => a < 0.5 && b < 0.5,
};

const rowsOf = (file, problem) => (index.byFile[file]?.get(problem)) ?? [];
const place = row => `${index.files[index.traces[row][FILE]].file}:${index.traces[row][LINE]}`;
const passes = row => {
  const trace = index.traces[row];
  return (!filters.verdict || trace[VERDICT] === filters.verdict) && (!filters.ending || trace[ENDING] === filters.ending)
    && (!filters.search || hits.has(row));
};
function share(file, problem) {
  const graded = rowsOf(file, problem).filter(row => index.traces[row][VERDICT] !== "not graded");
  return graded.length ? graded.filter(row => index.traces[row][VERDICT] === "correct").length / graded.length : NaN;
}

function list() {
  const arms = state.arms.filter(arm => arm >= 0);
  const there = new Set(arms.flatMap(arm => [...(index.byFile[arm]?.keys() ?? [])]));
  listed = [...there].filter(problem => arms.some(arm => rowsOf(arm, problem).some(passes))
    && (!filters.pair || PAIRS[filters.pair](...state.arms.map(arm => share(arm, problem)))));
  listed.sort((a, b) => a - b);
}

function best(file, problem) {
  const own = rowsOf(file, problem), good = own.filter(passes);
  return good[0] ?? own[0] ?? null;
}

function drawActive() {
  const chips = Object.entries(filters).filter(([, value]) => value).map(([name, value]) =>
    make("button", { className: "filter", title: "remove", textContent: `${name}: ${value} ✕`, onclick: () => change(name, "") }));
  $("active").replaceChildren(...chips, $("progress") ?? make("span", { id: "progress" }));
  for (const name of ["verdict", "ending", "pair"]) $(name).value = filters[name];
  if (document.activeElement !== $("search")) $("search").value = filters.search;
}

function drawList() {
  const at = listed.indexOf(state.problem), from = Math.max(0, Math.min(at - LISTED / 2, listed.length - LISTED));
  const part = listed.slice(from, from + LISTED);
  const all = new Set(state.arms.flatMap(arm => [...(index.byFile[arm]?.keys() ?? [])])).size;
  $("found").textContent = `${listed.length.toLocaleString()} of ${all.toLocaleString()} problems`
    + (part.length < listed.length ? `; shown ${from + 1} to ${from + part.length}` : "");
  const percent = value => Number.isNaN(value) ? "–" : `${Math.round(100 * value)}%`;
  $("list").replaceChildren(...part.map(problem => {
    const [id, start] = index.problems[problem];
    const right = state.arms.filter(arm => arm >= 0).map(arm => percent(share(arm, problem))).join(" and ");
    const found = filters.search ? `, found in ${state.arms.flatMap(arm => rowsOf(arm, problem)).filter(row => hits.has(row)).length}` : "";
    const button = make("button", { onclick: () => show(problem) }, id, make("span", { className: "about", textContent: `${right} right${found} · ${start}` }));
    if (problem === state.problem) button.setAttribute("aria-current", "true");
    return make("li", {}, button);
  }));
  $("list").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}

function facts(row) {
  const trace = index.traces[row], verdict = trace[VERDICT], expected = index.problems[trace[PROBLEM]][2];
  const sign = { correct: "✓ ", wrong: "✗ " }[verdict] ?? "";
  const length = `${trace[TOKENS] === null ? "" : `${trace[TOKENS].toLocaleString()} tokens, `}${trace[LENGTH].toLocaleString()} characters`;
  return make("p", { className: "facts" }, make("b", { className: { correct: "right", wrong: "wrong" }[verdict] ?? "", textContent: sign + verdict }),
    ", ", ...(trace[ANSWER] === null ? ["no answer"] : ["answer ", make("code", { textContent: trace[ANSWER] })]),
    ", expected ", make("code", { textContent: expected }), `; ${length}; ${trace[ENDING]}`);
}

function prompt(file, trace, problem) {
  if (!file.prompt[0] && file.prompt.length === 1) return null;
  const filled = file.prompt.length === 2 && !trace[STAGE];
  const note = filled ? "prompt (as the first of this file was rendered, with this problem in it)" : "the first prompt of this file, as it was sent";
  return make("details", {}, make("summary", { textContent: note }),
    make("pre", { textContent: filled ? file.prompt[0] + problem + file.prompt[1] : file.prompt.join("") }));
}

async function column(side, problemText) {
  const arm = state.arms[side], row = state.rows[side];
  const arms = make("select", { title: "arm", onchange: event => { state.arms[side] = Number(event.target.value); refresh(); } });
  if (side) arms.append(make("option", { value: -1, textContent: "no second arm" }));
  index.files.forEach((file, number) => {
    if (file.set === state.set) arms.append(make("option", { value: number, textContent: file.arm }));
  });
  arms.value = arm;
  const own = rowsOf(arm, state.problem);
  const samples = make("select", { className: "sample", title: "sample", onchange: event => pick(side, Number(event.target.value)) });
  for (const one of own) {
    const trace = index.traces[one], mark = Object.values(filters).some(Boolean) && passes(one) ? "● " : "";
    samples.append(make("option", { value: one, textContent: `${mark}sample ${trace[SAMPLE]}${trace[STAGE] ? ` ${trace[STAGE]}` : ""}, ${trace[VERDICT]}` }));
  }
  samples.value = row;
  const box = make("div", { className: "arm" }, make("div", { className: "bar" }, arms, row === null ? null : samples));
  if (row === null) return arm < 0 ? box : (box.append("No trace of this problem."), box);
  const trace = index.traces[row], file = index.files[arm];
  const link = make("a", { href: `#${encodeURI(place(row))}`, textContent: place(row), title: "the address of this trace" });
  const copy = make("button", { textContent: "copy", title: "copy the place, file:line", onclick: () => navigator.clipboard?.writeText(place(row)) });
  const one = await whole(trace[PIECE], trace[PLACE]);
  const text = traceNode(one);
  const jump = make("button", { textContent: "to the answer", onclick: () => toAnswer(text) });
  box.append(facts(row), make("p", { className: "facts" }, jump, " ", link, " ", navigator.clipboard ? copy : null), text);
  const about = prompt(file, trace, problemText);
  if (about) box.append(about);
  if (file.settings) box.append(make("details", {}, make("summary", { textContent: "settings" }), make("pre", { textContent: file.settings })));
  return box;
}

function toAnswer(text) {
  const answer = text.querySelector(".answer");
  for (let fold = answer?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  answer ? answer.scrollIntoView({ block: "center" }) : text.scrollIntoView({ block: "end" });
}

let drawing = 0;
async function draw() {
  const own = ++drawing;
  drawActive();
  drawList();
  if (!listed.length) {
    $("problem").replaceChildren("Nothing passes.");
    return $("arms").replaceChildren(...await Promise.all([column(0, ""), column(1, "")]));
  }
  const [id, , expected, piece, at] = index.problems[state.problem];
  const problem = await whole(piece, at);
  const columns = await Promise.all([column(0, problem.text), column(1, problem.text)]);
  if (own !== drawing) return;
  $("problem").replaceChildren(make("p", { className: "facts" }, make("b", { textContent: id }), ", expected answer ", make("code", { textContent: expected })),
    make("div", { className: "trace" }, shown(problem)));
  $("arms").replaceChildren(...columns);
  highlight();
  const hash = `#${state.rows.filter(row => row !== null).map(row => encodeURIComponent(place(row)).replaceAll("%2F", "/").replaceAll("%3A", ":")).join("&")}`;
  if (location.hash !== hash) history.replaceState(null, "", hash);
}

function highlight() {
  ranges = [];
  range = 0;
  const pattern = filters.search && patternOf(filters.search);
  for (const text of pattern ? document.querySelectorAll(".arm > .trace") : []) {
    const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node && ranges.length < 2000; node = walker.nextNode())
      for (const found of node.data.matchAll(pattern)) {
        const one = new Range();
        one.setStart(node, found.index);
        one.setEnd(node, found.index + found[0].length);
        ranges.push(one);
      }
  }
  globalThis.CSS?.highlights?.set("found", new Highlight(...ranges));
  if (ranges.length) toRange(0);
}

function toRange(step) {
  if (!ranges.length) return;
  range = (range + step + ranges.length) % ranges.length;
  const parent = ranges[range].startContainer.parentElement, fold = parent.closest("details");
  if (fold) fold.open = true;
  const box = ranges[range].getBoundingClientRect(), frame = $("read").getBoundingClientRect();
  $("read").scrollBy(0, box.top - frame.top - frame.height / 3);
}
