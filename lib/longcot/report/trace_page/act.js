// What a reader does.

function show(problem) {
  state.problem = problem;
  state.rows = state.arms.map(arm => best(arm, problem));
  $("read").scrollTop = 0;
  return draw();
}

function pick(side, row) {
  if (row === undefined || row === null) return;
  state.rows[side] = row;
  draw();
}

function refresh(keep = true) {
  if (filters.search) return search();
  list();
  if (keep && listed.includes(state.problem)) {
    state.rows = state.arms.map((arm, side) => {
      const own = rowsOf(arm, state.problem);
      return own.includes(state.rows[side]) && passes(state.rows[side]) ? state.rows[side] : best(arm, state.problem);
    });
    return draw();
  }
  return show(listed[0] ?? -1);
}

function change(name, value) {
  filters[name] = value;
  if (name === "search") { hits = new Set(); searching++; $("progress")?.replaceChildren(); }
  refresh();
}

function reset() {
  for (const name in filters) filters[name] = "";
  hits = new Set();
  searching++;
  $("search").value = "";
  $("progress")?.replaceChildren();
  refresh();
}

const patternOf = words => new RegExp(words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+"), "gi");

async function search() {
  const own = ++searching, pattern = patternOf(filters.search), began = performance.now();
  const pieces = new Map(); // piece: its rows by place
  hits = new Set();
  drawActive();
  for (const arm of state.arms) for (const row of index.rowsOfFile[arm] ?? []) {
    const trace = index.traces[row];
    if (!pieces.has(trace[PIECE])) pieces.set(trace[PIECE], []);
    pieces.get(trace[PIECE])[trace[PLACE]] = row;
  }
  let done = 0, told = began;
  const say = () => {
    const share = done < pieces.size ? `searched ${Math.floor(100 * done / pieces.size)}%: ` : "";
    $("progress").textContent = `${share}found in ${hits.size.toLocaleString()} traces${done < pieces.size ? "" : ` in ${((performance.now() - began) / 1000).toFixed(1)} s`}`;
    list();
    if (listed.includes(state.problem)) { drawList(); } else { show(listed[0] ?? -1); }
  };
  const queue = [...pieces.keys()].sort((a, b) => a - b);
  const work = async () => {
    for (let piece = queue.shift(); piece !== undefined; piece = queue.shift()) {
      const texts = await textsOf(piece);
      if (own !== searching) return;
      texts.forEach((text, at) => {
        const row = pieces.get(piece)[at];
        pattern.lastIndex = 0;
        if (row !== undefined && pattern.test(text)) hits.add(row);
      });
      done++;
      if (performance.now() - told > 1500) { say(); told = performance.now(); }
    }
  };
  await Promise.all([work(), work(), work()]);
  if (own !== searching) return;
  done = pieces.size;
  say();
  state.rows = state.arms.map((arm, side) => state.rows[side] !== null && passes(state.rows[side]) ? state.rows[side] : best(arm, state.problem));
  draw();
}

function step(by) {
  if (listed.length) show(listed[(listed.indexOf(state.problem) + by + listed.length) % listed.length]);
}

function otherSample(side, by) {
  const own = rowsOf(state.arms[side], state.problem), good = own.filter(passes), among = good.length ? good : own;
  if (among.length) pick(side, among[(among.indexOf(state.rows[side]) + by + among.length) % among.length]);
}

function thoughts() {
  const folds = [...document.querySelectorAll(".arm > .trace > details")], open = folds.every(fold => fold.open);
  for (const fold of folds) fold.open = !open;
}

const KEYS = {
  j: () => step(1), k: () => step(-1), "]": () => otherSample(0, 1), "[": () => otherSample(0, -1),
  "}": () => otherSample(1, 1), "{": () => otherSample(1, -1), t: thoughts, r: reset, h: () => toRange(1),
  a: () => document.querySelectorAll(".arm > .trace").forEach(toAnswer), "/": () => $("search").focus(), "?": () => $("help").click(),
};

function choose(set, arms) {
  const there = index.files.flatMap((file, number) => file.set === set ? [number] : []);
  const first = arms[0] ?? there[0], second = arms[1] ?? there.find(number => number !== first) ?? -1;
  state.set = $("set").value = set;
  state.arms = [first, second];
}

function goTo(hash) {
  const rows = hash.slice(1).split("&").map(part => index.byPlace.get(decodeURIComponent(part))).filter(row => row !== undefined);
  if (!rows.length) return false;
  if (rows.every((row, side) => row === state.rows[side])) return true;
  const files = rows.map(row => index.traces[row][FILE]);
  choose(index.files[files[0]].set, files.length > 1 && files[0] !== files[1] ? files : [files[0], state.arms.find(arm => arm >= 0 && arm !== files[0] && index.files[arm].set === index.files[files[0]].set)]);
  for (const name in filters) filters[name] = "";
  list();
  state.problem = index.traces[rows[0]][PROBLEM];
  state.rows = state.arms.map(arm => rows.find(row => index.traces[row][FILE] === arm) ?? best(arm, state.problem));
  draw();
  return true;
}

async function start() {
  index = JSON.parse(await inflate((await load("index"))[0]));
  index.byFile = index.files.map(() => new Map());
  index.rowsOfFile = index.files.map(() => []);
  index.byPlace = new Map();
  index.traces.forEach((trace, row) => {
    const problems = index.byFile[trace[FILE]];
    problems.has(trace[PROBLEM]) ? problems.get(trace[PROBLEM]).push(row) : problems.set(trace[PROBLEM], [row]);
    index.rowsOfFile[trace[FILE]].push(row);
    index.byPlace.set(place(row), row);
  });
  const menu = (id, names) => {
    $(id).append(make("option", { value: "", textContent: "any" }), ...names.map(name => make("option", { value: name, textContent: name })));
    $(id).onchange = event => change(id, event.target.value);
  };
  $("set").append(...index.sets.map(set => make("option", { value: set, textContent: set })));
  $("set").onchange = event => { choose(event.target.value, []); refresh(); };
  menu("verdict", ["correct", "wrong", "undecided", "not graded"]);
  menu("ending", ["finished", "cut off", "end not stated"]);
  menu("pair", Object.keys(PAIRS));
  let typed;
  $("search").oninput = () => { clearTimeout(typed); typed = setTimeout(() => change("search", $("search").value.trim()), 400); };
  $("reset").onclick = reset;
  $("help").onclick = () => { $("keys").hidden = !$("keys").hidden; $("help").setAttribute("aria-expanded", String(!$("keys").hidden)); };
  document.addEventListener("keydown", event => {
    if (event.key === "Escape") return event.target.blur?.();
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("input, select, textarea")) return;
    if (KEYS[event.key]) { event.preventDefault(); KEYS[event.key](); }
  });
  window.addEventListener("hashchange", () => goTo(location.hash));
  choose(index.sets[0], apart());
  if (!goTo(location.hash)) await refresh(false);
  document.body.dataset.ready = "true";
}

function apart() { // the arm that is least often right and the one that is most often
  const own = index.files.flatMap((file, number) => {
    const rows = index.rowsOfFile[number], right = rows.filter(row => index.traces[row][VERDICT] === "correct").length;
    return file.set === index.sets[0] ? [[right / rows.length, number]] : [];
  }).sort((a, b) => a[0] - b[0]);
  return [own[0]?.[1], own.length > 1 ? own.at(-1)[1] : undefined];
}

start().catch(error => { $("problem").textContent = error.message; });
