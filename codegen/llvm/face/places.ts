// psn_input_data and psn_state_data: places in a model's memory for those who want no copies.

import { i64, NULL } from "./code.js";
import { IS_MODEL } from "./load.js";
import { type FaceModule, MODEL } from "./module.js";
import { PORT_ROW, type Tables } from "./tables.js";

export function writePlaces(module: FaceModule, { entry, ports }: Tables): void {
  const lists = [
    ["input_data", ports.input, entry.inputs.length],
    ["state_data", ports.state, module.model.plan.states.length],
  ] as const;
  for (const [name, rows, count] of lists)
    module.publish(name, (code, model, index) => {
      code.if(code.not(code.call(IS_MODEL, model)), () => code.return(NULL));
      code.if(code.compare("uge", index, i64(count)), () => code.return(NULL));
      const offset = code.get(code.element(rows, index, PORT_ROW.bytes), PORT_ROW, "offset");
      code.return(code.at(code.get(model, MODEL, "memory"), offset));
    });
}
