"use strict";
// Charts: bokeh draws what stands in the page's data, in the colours of the light or the dark mode. Its script is
// unpacked when the first chart comes into sight.

let bokeh = null;

/** Run bokeh's script, once. */
function loadBokeh() {
  bokeh ??= unpackBytes("bokeh").then((packed) => {
    const script = document.createElement("script");
    script.textContent = new TextDecoder().decode(packed);
    document.head.append(script);
  });
  return bokeh;
}

async function drawChart(place) {
  const [charts] = await Promise.all([unpack("charts"), loadBokeh()]);
  place.replaceChildren();
  // Two colours stand for the page's own.
  const text = JSON.stringify(charts[place.id.slice("chart-".length)]);
  Bokeh.embed.embed_item(JSON.parse(text.replaceAll("#010203", colour("ink")).replaceAll("#040506", colour("grid"))), place.id);
}

const charts = new Set();
const chartWatcher = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting || charts.has(target)) continue;
    charts.add(target);
    drawChart(target);
  }
}, { rootMargin: "400px" });
document.querySelectorAll("[id^=chart-]").forEach((place) => chartWatcher.observe(place));
darkMode.addEventListener("change", () => charts.forEach(drawChart));
