// Entry of a Piscina worker when Varve runs from its TypeScript sources: on Node 20 `--import tsx` does not
// reach the module a worker loads, so this registers tsx itself. The built package loads worker.js directly.
require("tsx/cjs/api").register();
module.exports = require("./worker.ts");
