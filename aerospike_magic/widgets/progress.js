// The map of a query's partitions: draws the traits of widgets/progress.py, sends one message ("cancel").
// Every foreign word is set as text, never as markup.

const SIDE = 64;
const N_PARTITIONS = SIDE * SIDE;
const CELL = 5; // pixels of the canvas a partition, of which GAP stay empty
const GAP = 1;
const STATE = { notAsked: 0, waiting: 1, reading: 2, done: 3, retrying: 4, unavailable: 5 };

// One hue a node, told apart by people who see red and green alike; lightness is added for the theme.
const HUES = [212, 32, 168, 282, 48, 338, 190, 100];
const ACKNOWLEDGE_MS = 250;

/** @returns an element with a class and children (strings become text). */
function element(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

/** Whether the widget stands on a dark page, whatever made it dark. */
function isDark(node) {
  const [r, g, b] = (getComputedStyle(node).color.match(/[\d.]+/g) ?? [0, 0, 0]).map(Number);
  return 0.299 * r + 0.587 * g + 0.114 * b > 127;
}

function rgb(hue, saturation, lightness) {
  const a = saturation * Math.min(lightness, 1 - lightness);
  const channel = (n) => {
    const k = (n + hue / 30) % 12;
    return Math.round(255 * (lightness - a * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}

/** The colour of each state for one node: done is full, reading bright, waiting hardly there. */
function nodePalette(index, dark) {
  const hue = HUES[index % HUES.length];
  const dim = Math.floor(index / HUES.length) * 0.1;
  const palette = [];
  palette[STATE.notAsked] = dark ? [38, 42, 48] : [236, 238, 241];
  palette[STATE.waiting] = dark ? rgb(hue, 0.25, 0.22) : rgb(hue, 0.4, 0.9);
  palette[STATE.reading] = dark ? rgb(hue, 0.85, 0.8) : rgb(hue, 0.8, 0.74);
  palette[STATE.done] = dark ? rgb(hue, 0.65, 0.58 - dim) : rgb(hue, 0.7, 0.46 - dim);
  palette[STATE.retrying] = dark ? [255, 190, 60] : [240, 160, 0];
  palette[STATE.unavailable] = dark ? [248, 81, 73] : [207, 34, 46];
  return palette;
}

function css([r, g, b]) {
  return `rgb(${r} ${g} ${b})`;
}

/** Paint one scan: partition p is the square at column p % 64 of row p / 64. */
function paint(canvas, states, owners, dark) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE * CELL, SIDE * CELL);
  const pixels = new Uint32Array(image.data.buffer);
  const palettes = new Map();
  for (let p = 0; p < N_PARTITIONS; p++) {
    const owner = owners[p] ?? 0;
    if (!palettes.has(owner)) palettes.set(owner, nodePalette(owner === 255 ? 0 : owner, dark));
    const [r, g, b] = palettes.get(owner)[states[p]] ?? [128, 128, 128];
    const colour = (255 << 24) | (b << 16) | (g << 8) | r; // as a little-endian word: every browser's platform
    const start = Math.floor(p / SIDE) * CELL * SIDE * CELL + (p % SIDE) * CELL;
    for (let row = 0; row < CELL - GAP; row++) {
      const from = start + row * SIDE * CELL;
      pixels.fill(colour, from, from + CELL - GAP);
    }
  }
  context.putImageData(image, 0, 0);
}

/** A trait of bytes arrives as a DataView; take `index`'s 4,096 bytes of it. */
function bytesOf(value, index) {
  if (!value || !value.buffer) return new Uint8Array(0);
  const start = index * N_PARTITIONS;
  const length = Math.max(0, Math.min(N_PARTITIONS, value.byteLength - start));
  return length ? new Uint8Array(value.buffer, value.byteOffset + start, length) : new Uint8Array(0);
}

/** The part of the widget that shows one scan. */
function scanCard() {
  const map = element("canvas", "aerop-map");
  map.width = map.height = SIDE * CELL;
  map.setAttribute("role", "img");
  const name = element("span", "aerop-name");
  const access = element("span", "aerop-access");
  const flow = element("div", "aerop-flow");
  const facts = element("div", "aerop-facts");
  const predicates = element("div");
  const nodes = element("ul", "aerop-nodes");
  nodes.setAttribute("aria-label", "Nodes");
  const side = element("div", "aerop-side", element("div", "aerop-head", name, access), flow, facts, predicates, nodes);
  const card = element("div", "aerop-scan", map, side);

  function fact(value, words) {
    return element("span", "", element("b", "", value), ` ${words}`);
  }

  function predicate(words, text) {
    const code = element("code", "", text);
    code.title = text;
    return element("div", "aerop-pred", code, element("span", "aerop-dim", words));
  }

  function update(scan, states, owners, dark, isOneOfMany) {
    card.classList.toggle("is-many", isOneOfMany);
    name.textContent = scan.name;
    access.textContent = scan.access;
    flow.replaceChildren(
      element("b", "", scan.scanned), " scanned → ", element("b", "", scan.returned), " returned",
    );
    const list = [fact(scan.partitions, "partitions"), fact(scan.received, "received")];
    if (scan.rate) list.push(fact(scan.rate, "records"));
    if (scan.retries) list.push(element("span", "aerop-warn", `${scan.retries} asked again`));
    if (scan.throttled) list.push(element("span", "aerop-warn", "throttled"));
    facts.replaceChildren(...list);
    predicates.replaceChildren(
      ...(scan.pushed ? [predicate("pushed", scan.pushed)] : []),
      ...(scan.residual ? [predicate("checked here", scan.residual)] : []),
    );
    nodes.replaceChildren(
      ...scan.nodes.map((node, index) => {
        const swatch = element("span", "aerop-swatch");
        swatch.style.background = css(nodePalette(index, dark)[STATE.done]);
        return element("li", "", swatch, `${node.name}  ${node.records} records`);
      }),
    );
    map.setAttribute("aria-label", `Map of the partitions of ${scan.name}: ${scan.partitions} read`);
    paint(map, states, owners, dark);
  }

  return { card, update };
}

/** Ask the kernel to stop: by message, and where no one listens while a cell runs, by its interrupt. */
function wireCancel(model, button) {
  button.addEventListener("click", () => {
    button.disabled = true;
    button.textContent = "Cancelling…";
    model.send({ type: "cancel" });
    setTimeout(() => {
      if (!button.isConnected || model.get("phase") !== "running") return;
      const manager = model.widget_manager;
      const kernel = manager?.kernel ?? manager?.context?.sessionContext?.session?.kernel;
      if (kernel?.interrupt) {
        kernel.interrupt();
      } else {
        button.textContent = "Use the notebook's stop button";
      }
    }, ACKNOWLEDGE_MS);
  });
}

function render({ model, el }) {
  const fill = element("div", "aerop-fill");
  const bar = element("div", "aerop-bar", fill);
  bar.setAttribute("role", "progressbar");
  bar.setAttribute("aria-label", "Partitions read");
  bar.setAttribute("aria-valuemin", "0");
  bar.setAttribute("aria-valuemax", "100");
  const percent = element("span", "aerop-percent");
  const clock = element("span", "aerop-clock");
  const button = element("button", "aerop-cancel", "Cancel");
  button.type = "button";
  button.setAttribute("aria-label", "Cancel the query");
  const spoken = element("div", "aerop-hidden");
  spoken.setAttribute("aria-live", "polite");
  const cards = element("div");
  const root = element("div", "aerop", element("div", "aerop-top", bar, percent, clock, button), cards, spoken);
  root.setAttribute("role", "group");
  root.setAttribute("aria-label", "Query progress");
  el.append(root);
  wireCancel(model, button);

  let shown = [];
  let frame = 0;

  function draw() {
    frame = 0;
    const dark = isDark(root);
    const scans = model.get("scans");
    if (shown.length !== scans.length) {
      shown = scans.map(scanCard);
      cards.replaceChildren(...shown.map((one) => one.card));
    }
    scans.forEach((scan, index) => {
      const states = bytesOf(model.get("states"), index);
      shown[index].update(scan, states, bytesOf(model.get("owners"), index), dark, scans.length > 1);
    });
    const value = Math.floor(model.get("fraction") * 100);
    fill.style.width = `${value}%`;
    percent.textContent = scans.length ? `${value} %` : "";
    const activity = model.get("activity");
    const words = scans.length ? [model.get("clock"), activity] : [activity || "planning", model.get("clock")];
    clock.textContent = words.filter(Boolean).join(" · ");
    bar.setAttribute("aria-valuenow", String(value));
    bar.setAttribute("aria-valuetext", `${value} percent, ${scans.map((s) => `${s.scanned} scanned`).join(", ")}`);
    if (spoken.textContent !== model.get("status")) spoken.textContent = model.get("status");
    if (model.get("phase") === "cancelling" && !button.disabled) {
      button.disabled = true;
      button.textContent = "Cancelling…";
    }
  }

  // Many traits change in one update; one frame draws them all.
  function schedule() {
    frame ||= requestAnimationFrame(draw);
  }

  model.on("change", schedule);
  draw();
  return () => {
    model.off("change", schedule);
    cancelAnimationFrame(frame);
  };
}

export default { render };
