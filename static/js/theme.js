// Runs before the first paint, so that a kept theme never flashes.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const kept = localStorage.getItem("finops-theme");
    if (kept === "light" || kept === "dark") {
      root.dataset.theme = kept;
    }
  } catch {
    // A browser that keeps nothing follows the system.
  }
})();
