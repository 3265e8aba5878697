// Every visible text's contrast with what lies behind it, by WCAG 2.2's formulas for relative luminance and contrast ratio.
() => {
  const channels = (text) => {
    const [red, green, blue, alpha = "1"] = text.match(/[\d.]+/g);
    return [Number(red), Number(green), Number(blue), Number(alpha)];
  };
  const luminance = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const behind = (element) => {
    for (let here = element; here !== null; here = here.parentElement) {
      const ground = channels(getComputedStyle(here).backgroundColor);
      if (ground[3] === 1) return ground;
      if (ground[3] !== 0) throw new Error(`half-transparent background on ${here.tagName}`);
    }
    return [255, 255, 255, 1];
  };
  const poor = [];
  let checked = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || element.closest("script, style, title, desc") || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const inDrawing = element.namespaceURI.endsWith("svg");
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const found = ratio(channels(inDrawing ? style.fill : style.color), behind(element));
    checked += 1;
    if (found < (large ? 3 : 4.5)) poor.push([node.textContent.trim().slice(0, 40), found.toFixed(2)]);
  }
  for (const line of document.querySelectorAll("#curves path, .strip .curve, .strip .failed, .strip .served, .strip .never, .key line")) {
    const found = ratio(channels(getComputedStyle(line).stroke), behind(line.closest("svg")));
    checked += 1;
    if (found < 3) poor.push([line.getAttribute("class"), found.toFixed(2)]);
  }
  return { checked, poor };
}
