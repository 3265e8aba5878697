"use strict";
// Sliders, curves and downloads. The sum is cost.py's, over the same table; tests hold the two together.
(() => {
  const held = JSON.parse(document.getElementById("document").textContent);
  const cost = held.document.cost;
  const scenarios = Object.fromEntries(cost.scenarios.map((one) => [one.id, one]));
  const MOST_SECRETS = 1000000;

  const product = (coefficient, factors, at) => factors.reduce((sum, factor) => sum * at[factor], coefficient);
  const amount = (part, at) => {
    const above = part.above;
    if (above !== null && product(above.coefficient, above.factors, at) <= above.limit) return 0;
    return Math.max(0, product(part.coefficient, part.factors, at) - part.free) * part.usd_each;
  };
  const total = (scenario, at) =>
    scenario.why_not !== null ? null : scenario.parts.reduce((sum, part) => sum + amount(part, at), 0);
  const breakEven = (first, second, at) => {
    const reached = (secrets) => {
      const here = { ...at, secrets };
      const one = total(first, here);
      const other = total(second, here);
      return one !== null && other !== null && other >= one;
    };
    if (!reached(MOST_SECRETS)) return null;
    let [low, high] = [0, MOST_SECRETS];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (reached(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
  };

  const usd = (value) => value.toLocaleString("en-US", { style: "currency", currency: "USD" });
  const plain = (value) => value.toLocaleString("en-US", { maximumSignificantDigits: 6 });
  const said = (value, unit) => (unit === "yes/no" ? (value ? "yes" : "no") : `${plain(value)} ${unit}`.trim());
  const sliders = [...document.querySelectorAll("input[data-variable]")];
  const variables = Object.fromEntries(cost.variables.map((one) => [one.id, one]));
  const stop = (slider) => variables[slider.dataset.variable].stops[Number(slider.value)];
  const setting = () => Object.fromEntries(sliders.map((slider) => [slider.dataset.variable, stop(slider)]));

  const drawing = document.getElementById("curves");
  const make = (name, attributes, text) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const CHEAPEST = 1;
  const draw = (at) => {
    const [width, height] = [drawing.clientWidth || 640, drawing.clientHeight || 352];
    const [left, right, top, bottom] = [80, 12, 28, 36];
    const stops = variables.secrets.stops;
    const reach = (list) => Math.log10(list[list.length - 1] / list[0]);
    const x = (secrets) => left + ((width - left - right) * Math.log10(secrets / stops[0])) / reach(stops);
    const drawn = cost.scenarios
      .map((scenario, index) => [index, stops.map((secrets) => total(scenario, { ...at, secrets }))])
      .filter(([, points]) => points[0] !== null);
    const decades = Math.max(1, Math.ceil(Math.log10(Math.max(10, ...drawn.flatMap(([, points]) => points)))));
    const y = (value) => height - bottom - ((height - top - bottom) * Math.log10(Math.max(value, CHEAPEST))) / decades;
    drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    drawing.replaceChildren(...drawing.querySelectorAll("title, desc"));
    drawing.append(make("text", { x: 0, y: 12 }, "USD a month"));
    for (let power = 0; power <= decades; power += 1) {
      const level = y(10 ** power);
      drawing.append(make("line", { class: "grid", x1: left, x2: width - right, y1: level, y2: level }));
      const words = power === 0 ? "up to $1" : `$${(10 ** power).toLocaleString("en-US")}`;
      drawing.append(make("text", { x: left - 6, y: level + 4, "text-anchor": "end" }, words));
    }
    for (const secrets of stops.filter((one) => Number.isInteger(Math.log10(one)))) {
      drawing.append(make("text", { x: x(secrets), y: height - bottom + 18, "text-anchor": "middle" }, plain(secrets)));
    }
    drawing.append(make("text", { x: (left + width) / 2, y: height - 4, "text-anchor": "middle" }, "secrets in each environment"));
    drawing.append(make("line", { class: "here", x1: x(at.secrets), x2: x(at.secrets), y1: top, y2: height - bottom }));
    for (const [index, points] of drawn) {
      const path = points.map((value, point) => `${point ? "L" : "M"}${x(stops[point]).toFixed(1)} ${y(value).toFixed(1)}`);
      drawing.append(make("path", { class: `curve-${index + 1}`, d: path.join("") }));
    }
  };

  const even = document.getElementById("even");
  const show = () => {
    const at = setting();
    for (const slider of sliders) {
      const variable = variables[slider.dataset.variable];
      const words = said(stop(slider), variable.unit);
      document.getElementById(`output-${variable.id}`).textContent = words;
      slider.setAttribute("aria-valuetext", words);
    }
    for (const row of document.querySelectorAll("[data-scenario]")) {
      const scenario = scenarios[row.dataset.scenario];
      const sum = total(scenario, at);
      if (sum === null) continue;
      const cell = row.querySelector("data.usd");
      cell.value = String(sum);
      cell.textContent = usd(sum);
      row.querySelector(".parts").replaceChildren(
        ...scenario.parts
          .map((part) => [part, amount(part, at)])
          .filter(([, paid]) => paid > 0)
          .map(([part, paid]) => {
            const item = document.createElement("li");
            item.textContent = `${part.title}: ${usd(paid)}`;
            return item;
          }),
      );
    }
    const [first, second] = cost.break_even.of.map((id) => scenarios[id]);
    const from = breakEven(first, second, at);
    even.dataset.secrets = from === null ? "never" : String(from);
    even.textContent =
      from === null
        ? `${second.title} never costs what ${first.title} does, as set above.`
        : `${from === 0 ? "With any number of" : `From ${plain(from)}`} secrets in each environment, ${second.title} costs at least what ${first.title} does, as set above (computed).`;
    draw(at);
  };

  const form = document.querySelector(".sliders");
  form.addEventListener("input", show);
  form.addEventListener("reset", () => requestAnimationFrame(show));
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("resize", () => draw(setting()));
  document.getElementById("without-script").remove();
  show();

  // A figure's link leads into a list that may be closed, to a cell whose row says what it is of.
  const reveal = () => {
    const target = document.querySelector(":target");
    for (let here = target; here; here = here.parentElement) if (here.tagName === "DETAILS") here.open = true;
    if (!target) return;
    (target.closest("tr") ?? target).scrollIntoView();
    target.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  addEventListener("hashchange", reveal);
  reveal();

  // On paper nothing can be opened: the verdicts' figures are printed, the long list at the end only where a reader opened it.
  const closed = () => [...document.querySelectorAll(".legend:not([open]), #verdicts details:not([open])")];
  addEventListener("beforeprint", () => {
    const opened = closed();
    for (const one of opened) one.open = true;
    addEventListener("afterprint", () => opened.forEach((one) => (one.open = false)), { once: true });
  });

  const save = (button, name, kind, text) => {
    document.getElementById(button).addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text()], { type: kind }));
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  };
  save("save-json", "vaultgate-compare.json", "application/json", () => `${JSON.stringify(held.document, null, 2)}\n`);
  save("save-csv", "vaultgate-compare.csv", "text/csv", () => held.csv);
})();
