// dctstream networks
import { text } from "../../src/options/kinds.js";
import { complete, optionTable } from "../../src/options/table.js";
import { findNetwork } from "../../src/train/networks/build.js";
import { type NetworkDefinition, networks } from "../../src/train/networks/definitions.js";
import { classCountOption, layersOf, type NetworkShape, networkOptions } from "../../src/train/networks/layers-of.js";
import { fieldHalfWay, type LayerSummary, summarize, totals } from "../../src/train/networks/summary.js";
import { defineCommand } from "../command.js";
import { table } from "../table.js";

const networksOptions = optionTable({
  id: { kind: text, describe: "Show this network's layers" },
  ...networkOptions,
  ...classCountOption,
});

export const networksCommand = defineCommand({
  options: networksOptions,
  examples: [
    ["$0 networks", ""],
    ["$0 networks late-concat-rfa-thinner", ""],
  ],
  run: async (options) => {
    const { id, ...shape } = complete(networksOptions, options);
    const shown = id === undefined ? networks.filter((network) => canHave(network, shape)) : [findNetwork(id)];
    const entries = shown.map((network) => describe(network, shape));
    if (id === undefined)
      return { result: { networks: entries.map(({ layers: _, ...entry }) => entry) }, text: overview(entries) };
    return { result: { networks: entries }, text: entries.map(layerList).join("\n") };
  },
});

/** Pixel networks have no frequencies to select and no luma alone: in a table of such variants they are left out. */
function canHave({ input }: NetworkDefinition, { frequencies, grey }: NetworkShape): boolean {
  return input === "dct" || (frequencies === undefined && grey !== true);
}

function describe(network: NetworkDefinition, shape: NetworkShape) {
  const layers = summarize(layersOf(network, shape));
  const { parameters, fixedParameters, macs } = totals(layers);
  const inputs = layers.filter(({ op }) => op === "input").map(({ name, out }) => ({ name, shape: out }));
  const { id, describe: description, input, paper } = network;
  return {
    id,
    description,
    input,
    inputs,
    parameters,
    fixedParameters,
    macs,
    gmacs: Math.round(macs / 1e6) / 1000,
    receptiveFieldHalfWay: fieldHalfWay(layers),
    paper,
    layers,
  };
}

type Entry = ReturnType<typeof describe>;

const maybe = (value: number | undefined, digits: number) => (value === undefined ? "-" : value.toFixed(digits));

function overview(entries: readonly Entry[]): string {
  const rows = entries.map(({ id, input, parameters, gmacs, receptiveFieldHalfWay, paper }) => [
    id,
    input,
    (parameters / 1e6).toFixed(2),
    gmacs.toFixed(3),
    receptiveFieldHalfWay === undefined ? "-" : String(receptiveFieldHalfWay),
    maybe(paper?.top1Error, 2),
    maybe(paper?.top5Error, 2),
    maybe(paper?.speedRatio, 2),
  ]);
  const columns = [
    "network",
    "input",
    "M parameters",
    "GMACs",
    "field half way",
    "paper: top-1 error %",
    "top-5 %",
    "speed",
  ];
  return table(columns, rows, 2);
}

function layerList({ id, description, layers, parameters, fixedParameters, gmacs }: Entry): string {
  const rows = layers.map((layer: LayerSummary) => [
    layer.name,
    layer.op,
    layer.kernel === 1 && layer.stride === 1 ? "" : `${layer.kernel}/${layer.stride}`,
    layer.out.join("x"),
    layer.receptiveField === undefined ? "all" : String(layer.receptiveField),
    layer.parameters + layer.fixedParameters === 0 ? "" : String(layer.parameters + layer.fixedParameters),
    layer.macs === 0 ? "" : (layer.macs / 1e6).toFixed(1),
    layer.from.join(", "),
  ]);
  const columns = ["layer", "operation", "kernel/stride", "output", "field", "parameters", "M MACs", "from"];
  const sums = `${(parameters / 1e6).toFixed(2)} M trained parameters, ${(fixedParameters / 1e6).toFixed(2)} M fixed, ${gmacs} GMACs`;
  return `${id}: ${description}\n${sums}\n\n${table(columns, rows, 2, ["from"])}`;
}
