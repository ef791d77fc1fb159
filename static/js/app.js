// The page works without this file; it adds the theme switch, parts that open in place, and charts.
(() => {
  "use strict";

  const root = document.documentElement;
  const status = document.getElementById("status");
  const announce = (sentence) => {
    if (status) {
      status.textContent = sentence;
    }
  };

  // --- theme: system → light → dark, kept in this browser -----------------------------------------
  const THEMES = ["system", "light", "dark"];
  const themeOf = () => root.dataset.theme || "system";
  const showTheme = (button) => {
    button.querySelector("[data-theme-name]").textContent = themeOf();
  };
  const setTheme = (theme) => {
    if (theme === "system") {
      delete root.dataset.theme;
    } else {
      root.dataset.theme = theme;
    }
    try {
      localStorage.setItem("finops-theme", theme);
    } catch {
      announce("This browser does not keep the theme.");
    }
    drawCharts();
  };
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    showTheme(button);
    button.addEventListener("click", () => {
      setTheme(THEMES[(THEMES.indexOf(themeOf()) + 1) % THEMES.length]);
      showTheme(button);
      announce(`Theme is ${themeOf()}.`);
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawCharts());

  // --- menus close on Escape and on a click elsewhere -----------------------------------------------
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) {
        menu.open = false;
      }
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") {
      return;
    }
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // --- filter forms leave empty fields out of the address -------------------------------------------
  for (const form of document.querySelectorAll("form[data-sparse]")) {
    form.addEventListener("formdata", (event) => {
      for (const [name, value] of [...event.formData.entries()]) {
        if (value === "") {
          event.formData.delete(name);
        }
      }
      if (event.formData.get("period") !== "custom") {
        event.formData.delete("from");
        event.formData.delete("to");
      }
    });
    for (const day of form.querySelectorAll("input[name=from], input[name=to]")) {
      day.addEventListener("change", () => {
        form.elements.period.value = "custom";
      });
    }
  }

  // --- rows that open in place -------------------------------------------------------------------------
  const targetOf = (opener) => document.getElementById(opener.getAttribute("aria-controls"));
  const rowOf = (opener) => targetOf(opener).closest("tr");
  const close = (opener) => {
    targetOf(opener).replaceChildren();
    rowOf(opener).hidden = true;
    opener.setAttribute("aria-expanded", "false");
    announce(`${opener.textContent.trim()} closed.`);
  };
  document.addEventListener("htmx:beforeRequest", (event) => {
    const opener = event.target.closest("[data-opener]");
    if (opener && opener.getAttribute("aria-expanded") === "true") {
      event.preventDefault();
      close(opener);
    }
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const opener = document.querySelector(`[data-opener][aria-controls="${event.target.id}"]`);
    if (!opener) {
      return;
    }
    rowOf(opener).hidden = false;
    opener.setAttribute("aria-expanded", "true");
    const part = event.target.firstElementChild;
    part.setAttribute("tabindex", "-1");
    part.focus({ preventScroll: true });
    announce(part.getAttribute("aria-label") || "Loaded.");
  });
  const follow = (event) => {
    const opener = event.target.closest("[data-opener]");
    if (opener) {
      window.location.assign(opener.href);
    }
  };
  document.addEventListener("htmx:responseError", follow);
  document.addEventListener("htmx:sendError", follow);

  // --- charts: figures come as JSON with names of custom properties for colours ---------------------
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const colour = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const coloured = (value) => {
    if (typeof value === "string") {
      return value.startsWith("--") ? colour(value) : value;
    }
    if (Array.isArray(value)) {
      return value.map(coloured);
    }
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, coloured(part)]));
    }
    return value;
  };
  const CONFIG = {
    responsive: true,
    displaylogo: false,
    displayModeBar: "hover",
    modeBarButtons: [["toImage"]],
    toImageButtonOptions: { format: "svg" },
  };
  function drawCharts() {
    if (!window.Plotly) {
      return;
    }
    for (const canvas of document.querySelectorAll("[data-chart]")) {
      const figure = coloured(
        JSON.parse(document.getElementById(canvas.dataset.chart).textContent),
      );
      const name = canvas.dataset.chartName;
      const options = { ...CONFIG, toImageButtonOptions: { format: "svg", filename: name } };
      window.Plotly.react(canvas, figure.data, figure.layout, options);
    }
  }
  drawCharts();
})();
