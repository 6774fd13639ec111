"use strict";
// Charts: bokeh draws what stands in the page's data, in the colours of the light or the dark mode.

function drawCharts() {
  for (const [name, item] of Object.entries(page.charts || {})) {
    const place = byId(`chart-${name}`);
    if (!place) continue;
    place.replaceChildren();
    // Two colours stand for the page's own.
    const text = JSON.stringify(item).replaceAll("#010203", colour("ink")).replaceAll("#040506", colour("grid"));
    Bokeh.embed.embed_item(JSON.parse(text), place.id);
  }
}

if (Object.keys(page.charts || {}).length) {
  drawCharts();
  darkMode.addEventListener("change", drawCharts);
}
