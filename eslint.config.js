// Lints the small scripts of static/js; they run in the browser as they are, without a build.
import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["**/vendor/**", "var/**", ".venv/**"] },
  js.configs.recommended,
  {
    files: ["static/js/**/*.js"],
    languageOptions: {
      ecmaVersion: 2023,
      sourceType: "script",
      globals: { ...globals.browser, htmx: "readonly", Plotly: "readonly" },
    },
    rules: {
      curly: "error",
      eqeqeq: "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-var": "error",
      "prefer-const": "error",
    },
  },
];
