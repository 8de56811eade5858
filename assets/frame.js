/* The browser's half of the frame: header, stage (pictures, readings, code, downloads), presets and
   the logarithmic slider. Everything on a stage comes from one JSON payload with the words of both
   languages, so that a switch of language or theme redraws without asking the server. */
"use strict";
window.ssp = (() => {
  const site = window.playground;
  const params = () => new URLSearchParams(location.search);
  const state = { lang: document.documentElement.lang.startsWith("zh") ? "zh" : "en", stages: [] };
  const dark = () => document.body.classList.contains("dark");
  const word = (key) => site.words[state.lang][key] ?? key;
  const narrow = () => innerWidth < 640;

  // Gradio writes the browser's language there; what is on screen is ours to say
  const spokenTag = () => state.lang === "zh" ? "zh-CN" : "en";
  new MutationObserver(() => { if (document.documentElement.lang !== spokenTag()) document.documentElement.lang = spokenTag(); })
    .observe(document.documentElement, { attributes: true, attributeFilter: ["lang"] });

  /* ---- small helpers ---------------------------------------------------------------------- */
  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "onclick") node.addEventListener("click", value);
      else if (value === true) node.setAttribute(name, "");
      else if (value !== false && value != null) node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }
  const escapeHtml = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
  function remember(name, value) {
    try { value === undefined ? localStorage.removeItem(name) : localStorage.setItem(name, value); } catch {}
  }
  function recall(name) { try { return localStorage.getItem(name); } catch { return null; } }
  function setAddress(query) {
    const now = params(), next = new URLSearchParams(query);
    for (const name of ["mode", "__theme"]) if (now.has(name)) next.set(name, now.get(name));
    next.set("lang", state.lang);
    history.replaceState(null, "", `${location.pathname}?${next}`);
  }

  /* ---- theme: light, dark, or as the system says ------------------------------------------- */
  const themes = ["system", "light", "dark"];
  function themeNow() {
    const asked = params().get("__theme");
    return themes.includes(asked) ? asked : "system";
  }
  function setTheme(name) {
    const next = params();
    name === "system" ? next.delete("__theme") : next.set("__theme", name);
    history.replaceState(null, "", `${location.pathname}${next.size ? "?" + next : ""}`);
    remember("playground-theme", name === "system" ? undefined : name);
    const system = matchMedia("(prefers-color-scheme: dark)").matches;
    document.body.classList.toggle("dark", name === "dark" || (name === "system" && system));
  }
  const stored = recall("playground-theme");
  if (!params().has("__theme") && themes.includes(stored)) {
    const next = params();
    next.set("__theme", stored);
    history.replaceState(null, "", `${location.pathname}?${next}`);
  }
  if (params().get("mode") === "lecture") document.documentElement.classList.add("lecture");

  /* ---- plotly: one script, fetched beside Gradio's, not before it --------------------------- */
  const plotly = new Promise((resolve) => {
    const script = make("script", { src: site.plotly, async: true });
    script.onload = () => resolve(window.Plotly);
    document.head.append(script);
  });
  const KINDS = { f4: Float32Array, f8: Float64Array, i1: Int8Array, i2: Int16Array, i4: Int32Array,
    i8: BigInt64Array, u1: Uint8Array, u2: Uint16Array, u4: Uint32Array };
  function decode({ dtype, bdata, shape }) {
    const bytes = Uint8Array.from(atob(bdata), (c) => c.charCodeAt(0));
    let flat = new KINDS[dtype](bytes.buffer);
    if (dtype === "i8") flat = Float64Array.from(flat, Number);
    const [rows, columns] = shape.split(",").map(Number);
    if (columns === undefined) return flat;
    return Array.from({ length: rows }, (_, r) => flat.subarray(r * columns, (r + 1) * columns));
  }
  function paint(text) {
    const [, name, opacity] = text.match(/^@(\w+)(?:\/([\d.]+))?$/) ?? [];
    const color = name && site.colors[dark() ? "dark" : "light"][name];
    if (!color) return text;
    if (!opacity) return color;
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
    return `rgba(${r},${g},${b},${opacity})`;
  }
  function merge(base, over) {
    const out = { ...base };
    for (const [key, value] of Object.entries(over ?? {})) {
      const both = value && out[key] && typeof value === "object" && typeof out[key] === "object"
        && !Array.isArray(value) && !ArrayBuffer.isView(value);
      out[key] = both ? merge(out[key], value) : value;
    }
    return out;
  }

  /* ---- a view: the payload with its words, arrays and colours put in ------------------------ */
  class Payload {
    constructor(data) {
      Object.assign(this, data);
      this.numbers = (data.arrays ?? []).map(decode);
    }
    say(text) { return text.replace(/§(\d+)§/g, (_, i) => this.words[state.lang][i]); }
    fill(node) {
      if (typeof node === "string") return node[0] === "@" ? paint(node) : node.includes("§") ? this.say(node) : node;
      if (Array.isArray(node)) return node.map((child) => this.fill(child));
      if (!node || typeof node !== "object") return node;
      if ("$a" in node) return this.numbers[node.$a];
      return Object.fromEntries(Object.entries(node).map(([key, child]) => [key, this.fill(child)]));
    }
    html() {
      return this.html_.replace(/§(\d+)§/g, (_, i) => escapeHtml(this.words[state.lang][i]));
    }
    get html_() { return this.parts ?? ""; }
    spec(figure, width) {
      const lecture = document.documentElement.classList.contains("lecture");
      const axes = Object.fromEntries(Object.keys(figure.layout).filter((k) => /^[xy]axis\d+$/.test(k))
        .map((k) => [k, site.template.xaxis]));
      const layout = merge(merge(this.fill(site.template), this.fill(axes)), this.fill(figure.layout));
      layout.height = figure.square ? Math.max(260, Math.min(width, 560)) : figure.height;
      if (figure.aspect) layout.height = Math.min(figure.height, Math.round(width * figure.aspect + layout.margin.t + layout.margin.b));
      layout.font = { ...layout.font, size: lecture ? 17 : narrow() ? 11 : 13 };
      layout.uirevision = figure.name;
      layout.autosize = true;
      if (narrow()) layout.margin = { ...layout.margin, l: Math.min(layout.margin.l, 44), r: 8 };
      const data = this.fill(figure.data);
      if (narrow()) {
        const named = data.filter((trace) => trace.name && trace.showlegend !== false).length;
        if (!figure.square) layout.height += 15 * Math.max(0, named - 3);  // a legend there is one long column
        for (const trace of data) if (trace.texttemplate) trace.textfont = { size: 8 };
      }
      const moves = Object.entries(this.fill(figure.moves)), traces = moves.map(([number]) => Number(number));
      const row = (step) => ([, change]) => Object.fromEntries(Object.entries(change).map(([key, rows]) => [key, rows[step]]));
      const frames = moves.length ? this.steps.map((_, step) => ({ name: String(step), traces, data: moves.map(row(step)) })) : [];
      return { data, layout, frames };
    }
  }

  class Stage {
    constructor(element, props, trigger) {
      this.element = element;
      this.props = props;
      this.trigger = trigger;
      this.root = element.querySelector(".ssp-stage");
      this.panel = element.closest(".ssp-panel");
      this.id = this.panel?.id ?? "";
      this.boxes = new Map();
      this.hidden = new Set();
      this.build();
      state.stages.push(this);
      const controls = this.panel?.querySelector(".ssp-controls");
      controls?.addEventListener("input", () => this.wait());
      controls?.addEventListener("click", (event) => { if (event.target.closest(`#${this.id}-run`)) this.stopping = false; });
      // Gradio tells the place in the queue in English on a veil over the picture; ours says it in words
      new MutationObserver(() => {
        const [, place, all] = element.closest(".block")?.querySelector(".progress-text")?.textContent.match(/queue: (\d+)\/(\d+)/) ?? [];
        if (this.place !== place || this.all !== all) { [this.place, this.all] = [place, all]; this.tell(); }
      }).observe(element.closest(".block") ?? element, { childList: true, subtree: true, characterData: true });
      new IntersectionObserver(([entry]) => entry.isIntersecting ? this.appear() : (this.visible = false),
        { rootMargin: "4000px" }).observe(this.root);
    }

    build() {
      this.notice = make("div", { class: "ssp-notice", role: "status", "aria-live": "polite", hidden: true });
      this.bar = make("progress", { max: 1, hidden: true });
      this.figures = make("div", { class: "ssp-figures" });
      this.player = make("div", { class: "ssp-player", hidden: true });
      this.caption = make("p", { class: "ssp-caption", id: `${this.id}-caption` });
      this.extra = make("div", { class: "ssp-extra" });
      this.extra.addEventListener("click", (event) => {
        const button = event.target.closest("[data-set]");
        if (button) this.trigger("select", { set: JSON.parse(button.dataset.set) });
      });
      this.tools = make("div", { class: "ssp-tools" });
      this.readings = make("div", { class: "ssp-readings" });
      this.details = make("div", { class: "ssp-details" });
      this.root.replaceChildren(this.notice, this.bar, this.player, this.figures, this.extra, this.caption,
        this.readings, this.tools, this.details);
    }

    /* asks for a picture when first seen; puts its state into the address when seen again */
    appear() {
      this.visible = true;
      if (!this.view) { if (!this.asked) { this.asked = true; this.trigger("submit"); } }
      else if (this.stale) this.draw();
      else {
        setAddress(this.view.query);
        for (const { plot } of this.boxes.values()) if (plot.data) window.Plotly?.Plots.resize(plot);
      }
    }

    wait() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => {
        this.root.setAttribute("aria-busy", "true");
        this.timer = setTimeout(() => this.root.removeAttribute("aria-busy"), 20000);
      }, 500);
    }

    receive(text) {
      clearTimeout(this.timer);
      this.root.removeAttribute("aria-busy");
      if (!text) return;
      const data = JSON.parse(text);
      if (data.running && this.stopping) return;  // sent before the server heard of the stop
      if (data.notice) { this.link = data.notice; this.tell(); return; }
      if (data.error) { this.error = data.error; this.bar.hidden = true; this.tell(); return; }
      const first = !this.view;
      this.error = null;
      if (!first) this.link = null;
      this.running = data.running;
      data.parts = data.html;
      delete data.html;
      this.view = new Payload(data);
      this.plays = data.plays && !matchMedia("(prefers-reduced-motion: reduce)").matches;
      if (!first || params().has("tab") || state.moved) setAddress(this.view.query);
      state.moved = true;
      this.visible ? this.draw() : (this.stale = true);
    }

    stop() {
      this.stopping = true;
      if (!this.running) return;
      this.running = false;
      this.stopped = true;
      this.draw();
    }

    draw() {
      this.stale = false;
      // a long formula scrolls sideways on a phone: let the keyboard reach it
      for (const wait of [0, 400, 1500]) setTimeout(() => this.panel?.querySelectorAll(".katex-display")
        .forEach((formula) => { formula.tabIndex = 0; }), wait);
      this.putAway();
      this.tell();
      this.drawReadings();
      this.drawTools();
      this.drawDetails();
      this.caption.textContent = this.view.say(this.view.caption);
      this.extra.innerHTML = this.view.html();
      this.view.html_first ? this.figures.before(this.extra) : this.figures.after(this.extra);
      this.drawPlayer();
      plotly.then(() => this.drawFigures());
    }

    tell() {
      const view = this.view;
      const lines = [];
      if (this.error) lines.push(["error", this.error[state.lang]]);
      for (const problem of this.link?.[state.lang] ?? []) lines.push(["link", problem]);
      for (const note of view && !this.error ? view.notes : []) lines.push(["note", view.say(note)]);
      if (this.place) lines.push(["note", word("queued").replace("{place}", this.place).replace("{all}", this.all)]);
      if (this.stopped && view && !this.running) lines.push(["note", word("stopped")]);
      if (this.running) this.stopped = false;
      this.notice.replaceChildren(...lines.map(([kind, text]) => make("p", { class: kind }, text)));
      this.notice.hidden = !lines.length;
      this.root.classList.toggle("ssp-old", Boolean(this.error));
      this.bar.hidden = !this.running;
      this.bar.value = view?.progress ?? 0;
      this.bar.setAttribute("aria-label", word("progress"));
      this.panel?.classList.toggle("ssp-running", Boolean(this.running));
    }

    putAway() {
      const next = new Set(this.view.unused.map((name) => `${this.id}-${name}`));
      for (const id of new Set([...this.hidden, ...next]))
        document.getElementById(id)?.classList.toggle("ssp-unused", next.has(id));
      this.hidden = next;
    }

    drawFigures() {
      const view = this.view, names = new Set(view.figures.map((figure) => figure.name));
      for (const [name, box] of this.boxes) if (!names.has(name)) {
        box.node.remove();
        this.boxes.delete(name);
        Promise.allSettled(box.paints).then(() => Plotly.purge(box.plot));  // not in the middle of a drawing
      }
      this.figures.classList.toggle("ssp-many", view.figures.length > 1);
      this.figures.classList.toggle("ssp-crowd", view.figures.length > 4);
      for (const figure of view.figures) {  // all boxes first: their widths depend on each other
        const box = this.boxes.get(figure.name) ?? this.addBox(figure.name);
        box.node.classList.toggle("ssp-wide", figure.wide);
        this.figures.append(box.node);
        box.head.textContent = view.say(figure.title);
        box.head.hidden = !figure.title;
        this.wirePen(box, figure.drawn);
      }
      for (const figure of view.figures) {
        const box = this.boxes.get(figure.name);
        box.spec = view.spec(figure, box.plot.clientWidth);
        this.paintBox(box)
          .then(() => { box.plot.dataset.drawn = String((Number(box.plot.dataset.drawn) || 0) + 1); });
        if (!box.wired) {
          box.wired = true;
          box.plot.on("plotly_click", ({ points: [point] }) => this.view.pick && this.trigger("select", { point: {
            figure: figure.name, curve: point.curveNumber, index: point.pointIndex ?? point.pointNumber, x: point.x, y: point.y } }));
        }
      }
    }

    /* the traces of a picture at a step of its animation */
    traces({ data, frames }, step) {
      const now = frames[step];
      const changed = (trace, i) => { const at = now.traces.indexOf(i); return at < 0 ? trace : merge(trace, now.data[at]); };
      return now ? data.map(changed) : data;
    }

    /* draws a box at the step of the animation that is on */
    paintBox(box) {
      const paint = Plotly.react(box.plot, { data: this.traces(box.spec, this.step), layout: box.spec.layout,
        config: { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"] } });
      box.paints = [...box.paints.slice(-8), paint];
      return paint;
    }

    /* play, pause, scrub: all steps are here already, the server is not asked */
    drawPlayer() {
      const { steps } = this.view, last = steps.length - 1;
      this.pause?.();
      this.player.hidden = !steps.length;
      if (!steps.length) { this.step = undefined; return this.player.replaceChildren(); }
      if (this.steps !== steps.length || this.step === undefined) this.step = last;
      this.steps = steps.length;
      const play = make("button", { type: "button", class: "ssp-tool", "data-tool": "play" });
      const range = make("input", { type: "range", min: 0, max: last, step: 1, "aria-label": word("step") });
      const label = make("output", { "aria-hidden": "true" });
      let timer = 0;
      const show = (step) => {
        this.step = step;
        range.value = step;
        label.textContent = this.view.say(steps[step]);
        range.setAttribute("aria-valuetext", label.textContent);
        for (const box of this.boxes.values()) if (box.spec?.frames.length) this.paintBox(box);
      };
      this.pause = () => { clearInterval(timer); timer = 0; play.textContent = `▶ ${word("play")}`; };
      const start = () => {
        if (this.step === last) show(0);
        play.textContent = `❚❚ ${word("pause")}`;
        timer = setInterval(() => {
          if (this.step >= last || !this.visible) return this.pause();
          show(this.step + 1);
        }, this.tempo);
      };
      play.addEventListener("click", () => timer ? this.pause() : start());
      range.addEventListener("input", () => { this.pause(); show(Number(range.value)); });
      this.pause();
      label.textContent = this.view.say(steps[this.step]);
      range.value = this.step;
      range.setAttribute("aria-valuetext", label.textContent);
      this.player.replaceChildren(play, range, label);
      if (this.plays) { this.plays = false; show(0); start(); }
    }

    /* milliseconds between two steps of an animation */
    get tempo() { return Math.max(50, Math.min(400, 6000 / this.view.steps.length)); }

    /* a curve or strokes drawn by hand on a picture become the text of a control */
    wirePen(box, drawn) {
      box.drawn = drawn;
      if (!drawn.into) { box.pen?.remove(); box.pen = null; return; }
      if (box.pen) { box.pen.textContent = word("pen"); return; }
      const pad = make("div", { class: "ssp-pad", hidden: true });
      const trail = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const path = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
      trail.append(path);
      pad.append(trail, make("p", {}));
      let marks = null;
      const leave = () => { pad.hidden = true; box.pen.setAttribute("aria-pressed", "false"); };
      const add = (event) => {
        const { left, top } = pad.getBoundingClientRect();
        marks.push([event.clientX - left, event.clientY - top]);
        path.setAttribute("points", marks.map((mark) => mark.join()).join(" "));
      };
      pad.addEventListener("pointerdown", (event) => { marks = []; pad.setPointerCapture(event.pointerId); add(event); });
      pad.addEventListener("pointermove", (event) => marks && add(event));
      pad.addEventListener("pointerup", () => {
        let text = marks?.length > 1 && (box.drawn.kind === "strokes" ? this.stroke(box, marks) : this.heights(box, marks));
        marks = null;
        path.setAttribute("points", "");
        if (box.drawn.kind !== "strokes") leave();
        else if (text) text = box.strokes = box.strokes ? `${box.strokes};${text}` : text;
        if (text) this.trigger("select", { set: { ...box.drawn.set, [box.drawn.into]: text } });
      });
      box.pen = make("button", { type: "button", class: "ssp-tool ssp-pen", "aria-pressed": "false", onclick: () => {
        pad.hidden = !pad.hidden;
        box.strokes = "";  // a new drawing each time
        pad.lastChild.textContent = word(box.drawn.kind === "strokes" ? "strokes_hint" : "pen_hint");
        Object.assign(pad.style, { top: `${box.plot.offsetTop}px`, height: `${box.plot.offsetHeight}px` });
        box.pen.setAttribute("aria-pressed", String(!pad.hidden));
      } }, word("pen"));
      addEventListener("keydown", (event) => { if (event.key === "Escape") leave(); });
      box.head.after(box.pen);
      box.plot.before(pad);
    }

    /* heights in data units at evenly spaced places of the x axis, from marks in pixels */
    heights(box, marks) {
      const { xaxis, yaxis } = box.plot._fullLayout, count = box.drawn.points;
      const curve = marks.map(([x, y]) => [(x - xaxis._offset) / xaxis._length, yaxis.p2d(y - yaxis._offset)])
        .sort((a, b) => a[0] - b[0]);
      const at = (x) => {
        const next = curve.findIndex((mark) => mark[0] >= x);
        if (next <= 0) return curve.at(next)[1];  // before the first mark, or (-1) after the last
        const [[x0, y0], [x1, y1]] = curve.slice(next - 1, next + 1);
        return x1 > x0 ? y0 + (y1 - y0) * (x - x0) / (x1 - x0) : y1;
      };
      return Array.from({ length: count }, (_, i) => Number(at(i / (count - 1)).toPrecision(3))).join(" ");
    }

    /* "x y x y" in data units, without the marks that lie on the line between their neighbours */
    stroke(box, marks) {
      const { xaxis, yaxis } = box.plot._fullLayout;
      const thin = (part) => {
        const [[x0, y0], [x1, y1]] = [part[0], part.at(-1)], length = Math.hypot(x1 - x0, y1 - y0);
        const off = part.map(([x, y]) => length ? Math.abs((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) / length : Math.hypot(x - x0, y - y0));
        const most = Math.max(...off), at = off.indexOf(most);
        return most > 2 && at > 0 && at < part.length - 1 ? [...thin(part.slice(0, at + 1)).slice(0, -1), ...thin(part.slice(at))] : [part[0], part.at(-1)];
      };
      return thin(marks).map(([x, y]) => `${Number(xaxis.p2d(x - xaxis._offset).toPrecision(3))} ${Number(yaxis.p2d(y - yaxis._offset).toPrecision(3))}`).join(" ");
    }

    addBox(name) {
      const head = make("h3"), plot = make("div", { class: "ssp-plot" });
      const node = make("figure", { "aria-describedby": `${this.id}-caption`, "data-name": name }, head, plot);
      const box = { node, head, plot, paints: [] };
      this.figures.append(node);
      this.boxes.set(name, box);
      return box;
    }

    drawReadings() {
      const view = this.view;
      if (!view.readings.length) return this.readings.replaceChildren();
      const marks = { true: ["✓", "held", "yes"], false: ["✗", "failed", "no"], null: ["–", "open", "none"] };
      const heads = ["quantity", "measured", "relation", "theory", "held"].map((key) =>
        make("th", { scope: "col", class: key }, key === "relation" ? make("span", { class: "ssp-sr" }, word(key)) : word(key)));
      const rows = view.readings.map((reading) => {
        const [mark, key, kind] = marks[reading.held];
        const name = make("th", { scope: "row" }, view.say(reading.quantity));
        if (reading.note) name.append(make("small", {}, view.say(reading.note)));
        const theory = make("td", { class: "theory" }, view.say(reading.theory));
        if (reading.tolerance) theory.append(make("small", {}, ` ± ${reading.tolerance}`));
        const silent = reading.held === null && !reading.relation;
        return make("tr", { class: kind }, name, make("td", {}, view.say(reading.measured)),
          make("td", { class: "relation" }, reading.relation), theory,
          make("td", { class: "held" }, silent ? "" : make("span", { role: "img", "aria-label": word(key), title: word(key) }, mark)));
      });
      this.readings.replaceChildren(make("table", {},
        make("caption", {}, word("readings")), make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows)));
    }

    drawTools() {
      const view = this.view;
      const button = (key, action) => make("button", { type: "button", class: "ssp-tool", "data-tool": key, onclick: action }, word(key));
      const choice = make("select", { "aria-label": word("which_figure") }, ...view.figures.map((figure) =>
        make("option", { value: figure.name }, view.say(figure.title) || figure.name)));
      choice.value = this.chosen && view.figures.some((f) => f.name === this.chosen) ? this.chosen : view.figures[0]?.name;
      choice.addEventListener("change", () => { this.chosen = choice.value; });
      const plot = () => this.boxes.get(choice.value)?.plot;
      const image = (format) => () => Plotly.downloadImage(plot(), { format, filename: this.file(),
        width: plot().clientWidth, height: plot().clientHeight, scale: format === "png" ? 3 : 1 });
      const link = make("input", { type: "text", readonly: true, class: "ssp-link", hidden: true, "aria-label": word("link") });
      const copy = button("copy_link", () => {
        link.value = `${location.origin}${location.pathname}?${view.query}&lang=${state.lang}`;
        link.hidden = false;
        link.select();
        navigator.clipboard?.writeText(link.value).then(() => { copy.textContent = word("copied"); }, () => {});
      });
      const items = [copy];
      const seed = new URLSearchParams(view.query).get("seed");
      if (seed !== null) items.push(button("draw_again", () => this.trigger("select", { set: { seed: (Number(seed) + 1) % 1e9 } })));
      if (view.table.length) items.push(button("csv", () => this.save(this.csv(), "text/csv", "csv")));
      if (view.figures.length > 1) items.push(choice);
      if (view.figures.length) items.push(button("png", image("png")), button("svg", image("svg")),
        button("html", () => this.standalone(choice.value)));
      if (view.steps.length) items.push(button("gif", (event) => this.gif(choice.value, event.currentTarget)));
      this.tools.replaceChildren(...items, link);
    }

    file() { return `${this.id}-${new URLSearchParams(this.view.query).get("seed") ?? "view"}`; }

    save(text, kind, ending) {
      const address = URL.createObjectURL(new Blob([text], { type: kind }));
      make("a", { href: address, download: `${this.file()}.${ending}` }).click();
      setTimeout(() => URL.revokeObjectURL(address), 5000);
    }

    columns() {
      return this.view.table.map(({ name, label, values }) => {
        const column = values?.$a === undefined ? values.map((v) => typeof v === "string" ? this.view.say(v) : v) : this.view.numbers[values.$a];
        return { name, label: this.view.say(label), values: column };
      });
    }

    csv() {
      const cell = (value) => {
        if (typeof value === "string" && /^[=+\-@\t\r]/.test(value)) value = `'${value}`;
        const text = value === null || Number.isNaN(value) ? "" : String(value);
        return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
      };
      const columns = this.columns();
      const rows = Array.from({ length: columns[0].values.length }, (_, r) => columns.map((c) => cell(c.values[r])).join(","));
      return "\ufeff" + [columns.map((c) => cell(c.name)).join(","), ...rows].join("\n") + "\n";
    }

    async standalone(name) {
      const figure = this.view.figures.find((f) => f.name === name);
      const spec = this.view.spec(figure, this.boxes.get(name).plot.clientWidth);
      if (spec.frames.length) {
        const still = { mode: "immediate", frame: { duration: 0, redraw: true }, transition: { duration: 0 } };
        spec.layout.sliders = [{ active: spec.frames.length - 1, steps: spec.frames.map((one, i) =>
          ({ label: this.view.say(this.view.steps[i]), method: "animate", args: [[one.name], still] })) }];
        spec.layout.updatemenus = [{ type: "buttons", x: 0, y: -0.2, buttons: [
          { label: "▶", method: "animate", args: [null, { fromcurrent: false, frame: { duration: 80, redraw: true }, transition: { duration: 0 } }] }] }];
      }
      const script = await (await fetch(site.plotly)).text();
      const plain = (key, value) => ArrayBuffer.isView(value) ? Array.from(value, (v) => Number.isFinite(v) ? v : null) : value;
      const safe = (text) => text.replaceAll("</", "<\\/");
      this.save(`<!doctype html><meta charset="utf-8"><title>${escapeHtml(this.view.say(figure.title) || this.id)}</title>`
        + `<body style="background:${spec.layout.paper_bgcolor}"><div id="figure"></div><p style="font-family:sans-serif;color:${spec.layout.font.color}">`
        + `${escapeHtml(this.view.say(this.view.caption))}</p><script>${safe(script)}</script><script>const f=${safe(JSON.stringify(spec, plain))};`
        + `Plotly.newPlot("figure",{data:f.data,layout:f.layout,frames:f.frames,config:{responsive:true}})</script>`, "text/html", "html");
    }

    /* the animation as a GIF: of the chosen figure, or of the first that moves */
    async gif(name, button) {
      const moves = (figure) => Object.keys(figure.moves).length, title = button.textContent;
      const figure = this.view.figures.find((f) => f.name === name && moves(f)) ?? this.view.figures.find(moves);
      const { plot, spec } = this.boxes.get(figure.name), delay = this.tempo;
      const { GIFEncoder, quantize, applyPalette } = await import(new URL(site.gif, document.baseURI));
      const width = plot.clientWidth, height = plot.clientHeight, file = GIFEncoder();
      const pen = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d", { willReadFrequently: true });
      button.disabled = true;
      for (const step of spec.frames.keys()) {
        const image = new Image();
        image.src = await Plotly.toImage({ data: this.traces(spec, step), layout: spec.layout }, { format: "png", width, height });
        await image.decode();
        pen.drawImage(image, 0, 0, width, height);
        const { data } = pen.getImageData(0, 0, width, height), palette = quantize(data, 256);
        file.writeFrame(applyPalette(data, palette), width, height, { palette, delay: step === spec.frames.length - 1 ? 2000 : delay });
        button.textContent = `${title} ${Math.round(100 * (step + 1) / spec.frames.length)} %`;
      }
      file.finish();
      this.save(file.bytes(), "image/gif", "gif");
      button.textContent = title;
      button.disabled = false;
    }

    drawDetails() {
      const view = this.view, open = new Set([...this.details.children].filter((d) => d.open).map((d) => d.dataset.key));
      const fold = (key, title, ...children) => make("details", { "data-key": key, open: open.has(key) }, make("summary", {}, title), ...children);
      const code = make("pre", { tabindex: 0 }, make("code", {}, view.code));
      const copy = make("button", { type: "button", class: "ssp-tool", onclick: () => navigator.clipboard?.writeText(view.code).then(() => { copy.textContent = word("copied"); }, () => {}) }, word("copy_code"));
      const items = [fold("code", word("code"), code, copy)];
      for (const file of site.sources[this.id.split("-")[0]] ?? []) {
        const text = make("pre", { tabindex: 0, class: "ssp-source" }, this[`source ${file}`] ?? "…");
        const box = fold(`source-${file}`, `${word("source")} models/${file}`, text);
        box.addEventListener("toggle", async () => {
          if (!box.open || this[`source ${file}`]) return;
          text.textContent = this[`source ${file}`] = await (await fetch(`playground/source/${file}`)).text();
        });
        items.push(box);
      }
      if (view.table.length) {
        const fresh = fold("table", `${word("table")} (${this.columns()[0].values.length})`);
        const fillTable = () => { if (fresh.open && fresh.children.length === 1) fresh.append(this.tableNode()); };
        fresh.addEventListener("toggle", fillTable);
        fillTable();
        items.push(fresh);
      }
      this.details.replaceChildren(...items);
    }

    tableNode() {
      const columns = this.columns(), count = columns[0].values.length, rows = Math.min(count, 100);
      const show = (value) => typeof value === "number" ? (Number.isInteger(value) ? String(value) : Number.isFinite(value) ? Number(value.toPrecision(6)).toString() : "–") : String(value ?? "–");
      const body = Array.from({ length: rows }, (_, r) => make("tr", {}, ...columns.map((c) => make("td", {}, show(c.values[r])))));
      const table = make("table", {}, make("thead", {}, make("tr", {}, ...columns.map((c) =>
        make("th", { scope: "col" }, c.label, c.label === c.name ? "" : make("small", {}, c.name))))), make("tbody", {}, ...body));
      const box = make("div", { class: "ssp-table", tabindex: 0, role: "region", "aria-label": word("table") }, table);
      if (count > rows) box.append(make("p", {}, word("table_cut").replace("{rows}", rows).replace("{count}", count)));
      return box;
    }
  }

  const redraw = () => state.stages.forEach((stage) => stage.view && (stage.visible ? stage.draw() : (stage.stale = true)) || stage.tell());
  addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
    if (state.dark !== dark()) { state.dark = dark(); redraw(); }
  }).observe(document.body, { attributes: true, attributeFilter: ["class"] }));

  /* ---- the parts Gradio mounts --------------------------------------------------------------- */
  function stage(element, props, trigger, watch) {
    const it = new Stage(element, props, trigger);
    if (props.value) it.receive(props.value);
    watch("value", () => it.receive(props.value));
  }

  function presets(element, props, trigger) {
    const root = element.querySelector(".ssp-try"), words = JSON.parse(props.value);
    const draw = () => {
      const cards = words[state.lang].map(([name, see], index) => make("li", {},
        make("button", { type: "button", onclick: () => trigger("select", { index }) }, name), make("p", {}, see)));
      root.replaceChildren(make("h3", {}, word("try")), make("ul", {}, ...cards),
        make("button", { type: "button", class: "ssp-tool", onclick: () => trigger("select", { index: -1 }) }, word("reset")));
    };
    draw();
    addEventListener("ssp-lang", draw);
  }

  function logSlider(element, props, trigger, watch) {
    const root = element.querySelector(".ssp-log"), id = `${element.closest("[id]")?.id ?? "log"}-field`;
    const shift = props.low > 0 ? 0 : 1;  // a slider that reaches 0 runs on log(1 + value)
    const low = Math.log(props.low + shift), high = Math.log(props.high + shift), last = props.infinite ? 1010 : 1000;
    const label = make("label", { for: id }), info = make("div", { class: "ssp-info", id: `${id}-info` });
    const text = make("input", { type: "text", id, autocomplete: "off", spellcheck: "false" });
    const range = make("input", { type: "range", min: 0, max: last, step: 10 });
    root.replaceChildren(make("div", { class: "ssp-log-head" }, label, text), info, range);
    const read = (string) => {
      const clean = string.normalize("NFKC").trim();
      if (/^(∞|inf|infinity)$/i.test(clean)) return Infinity;
      const [top, bottom] = clean.split("/").map(Number);
      return bottom === undefined ? top : top / bottom;
    };
    const write = (value) => {
      if (value === Infinity) return "∞";
      const inverse = Math.round(1 / value);
      if (value < 1 && value > 0.001 && Math.abs(inverse * value - 1) < 1e-9) return `1/${inverse}`;
      return String(Number(value.toPrecision(12)));
    };
    const at = (value) => value === Infinity ? 1010 : 1000 * (Math.log(value + shift) - low) / (high - low);
    const valueAt = (place) => {
      if (place > 1000) return Infinity;
      const value = Math.min(props.high, Math.max(props.low, Math.exp(low + (high - low) * place / 1000) - shift));
      if (props.integer) return Math.round(Number(value.toPrecision(value < 1000 ? 3 : 2)));
      if (shift) return Number(value.toPrecision(2));
      if (props.low < 1 && props.high > 1 && Math.abs(Math.log(value)) < (high - low) / 150) return 1;
      return value < 1 && props.low <= 1 / 8 && props.high >= 2 ? 1 / Number((1 / value).toPrecision(2)) : Number(value.toPrecision(2));
    };
    const show = (string) => {
      const value = read(String(string));
      text.value = Number.isNaN(value) ? String(string) : write(value);
      if (value + shift > 0) range.value = at(value);
      range.setAttribute("aria-valuetext", text.value);
    };
    const say = () => {
      label.textContent = props.labels[state.lang];
      range.setAttribute("aria-label", props.labels[state.lang]);
      info.textContent = props.infos[state.lang];
      info.hidden = !props.infos[state.lang];
    };
    const tell = (value) => { props.value = value; trigger("input"); };
    range.addEventListener("input", () => {
      text.value = write(valueAt(Number(range.value)));
      range.setAttribute("aria-valuetext", text.value);
      tell(text.value);
    });
    text.addEventListener("input", () => { const v = read(text.value); if (v + shift > 0) range.value = at(v); tell(text.value); });
    watch("value", () => { if (String(props.value) !== text.value) show(props.value); });
    addEventListener("ssp-lang", say);
    say();
    show(props.value);
  }

  function header(element, props, trigger) {
    const root = element.querySelector(".ssp-header");
    const leave = make("button", { type: "button", class: "ssp-tool ssp-leave", onclick: toggleLecture });
    root.after(leave);
    const draw = () => {
      leave.textContent = word("leave_lecture");
      const button = (name, on, action, more = {}) => make("button", { type: "button", "aria-pressed": String(on), onclick: action, ...more }, name);
      const group = (name, ...children) => make("div", { role: "group", "aria-label": name, class: "ssp-group" }, ...children);
      const languages = [["zh", "中文", "zh-CN"], ["en", "English", "en"]].map(([lang, name, tag]) =>
        button(name, state.lang === lang, () => setLang(lang), { lang: tag, "data-lang": lang }));
      const looks = themes.map((name) => button(word(`theme_${name}`), themeNow() === name, () => { setTheme(name); draw(); }, { "data-theme": name }));
      const lecture = document.documentElement.classList.contains("lecture");
      root.replaceChildren(
        make("div", { class: "ssp-brand" }, make("h1", {}, word("name")), make("p", {}, word("tagline"))),
        make("div", { class: "ssp-switches" }, group(word("language"), ...languages), group(word("theme"), ...looks),
          button(word("lecture"), lecture, toggleLecture, { class: "ssp-tool" }),
          make("a", { href: "https://kexue.fm", target: "_blank", rel: "noopener", class: "ssp-tool" }, word("blog"))));
    };
    function setLang(lang) {
      state.lang = lang;
      document.documentElement.lang = spokenTag();
      document.title = word("name");
      const next = params();
      next.set("lang", lang);
      history.replaceState(null, "", `${location.pathname}?${next}`);
      dispatchEvent(new Event("ssp-lang"));
      redraw();
      props.value = lang;
      trigger("input");
    }
    addEventListener("ssp-lang", draw);
    addEventListener("ssp-lecture", draw);
    draw();
  }

  function toggleLecture() {
    const on = document.documentElement.classList.toggle("lecture");
    const next = params();
    on ? next.set("mode", "lecture") : next.delete("mode");
    history.replaceState(null, "", `${location.pathname}${next.size ? "?" + next : ""}`);
    dispatchEvent(new Event("ssp-lecture"));
    dispatchEvent(new Event("resize"));
    redraw();
  }
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.documentElement.classList.contains("lecture")) toggleLecture();
  });

  function footer(element) {
    const root = element.querySelector(".ssp-footer");
    const draw = () => {
      const link = (key, href) => make("a", { href, target: "_blank", rel: "noopener" }, word(key));
      root.replaceChildren(make("span", {}, word("footer")), link("api", "gradio_api/info"), link("mcp", "gradio_api/mcp/schema"));
    };
    draw();
    addEventListener("ssp-lang", draw);
  }

  const stopped = (id) => state.stages.find((it) => it.element.closest(`#${id}`) || it.panel?.querySelector(`#${id}`))?.stop();
  return { stage, presets, logSlider, header, footer, stopped, state };
})();
