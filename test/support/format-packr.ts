/** msgpackr with the settings of the format (docs/format.md), said again beside those of the codec: what both must agree with. */
import { Packr } from "msgpackr/pack";

export const packr = new Packr({
  useRecords: false,
  variableMapSize: true,
  moreTypes: true,
  useBigIntExtension: true,
  copyBuffers: true,
  useToJSON: false,
});
