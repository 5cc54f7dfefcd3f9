// Loads a checkpoint with plain tfjs and classifies a picture. A DCT network gets the coefficients that the picture would have as a 4:2:0 JPEG:
// in the page they are computed, as one convolution per component, because a browser decodes JPEGs itself and shows pixels only.
const tf = globalThis.tf;
const element = (id) => document.getElementById(id);
const parameters = new URLSearchParams(location.search);
const imagenet = { mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] };

/** [8, 8, 1, 64]: basis function u * 8 + v of the two-dimensional DCT-II. */
function dctKernel() {
  const t = (k, n) => Math.sqrt((k === 0 ? 1 : 2) / 8) * Math.cos(((2 * n + 1) * k * Math.PI) / 16);
  return tf.buffer([8, 8, 1, 64], "float32", Float32Array.from({ length: 4096 }, (_, i) => t((i >> 3) & 7, i >> 9) * t(i & 7, (i >> 6) & 7))).toTensor();
}

/** Shorter side to size / 0.875, centre crop: the view of dctstream's evaluation. [size, size, 3], 0..255. */
function centreCrop(image, size) {
  const canvas = element("picture");
  const [width, height] = [image.naturalWidth || image.width, image.naturalHeight || image.height];
  const side = 0.875 * Math.min(width, height);
  canvas.width = canvas.height = size;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, (width - side) / 2, (height - side) / 2, side, side, 0, 0, size, size);
  return tf.browser.fromPixels(canvas).toFloat();
}

/** ITU-T T.871, centred at zero: [size, size, 3] RGB -> Y, Cb, Cr, each [1, size, size, 1]. */
function toYcc(rgb) {
  const matrix = tf.tensor2d([[0.299, -0.168735892, 0.5], [0.587, -0.331264108, -0.418687589], [0.114, 0.5, -0.081312411]]);
  const ycc = rgb.reshape([-1, 3]).matMul(matrix).sub([128, 0, 0]).reshape([1, ...rgb.shape]);
  return tf.split(ycc, 3, 3);
}

/** The model's inputs, in its order. */
function inputsOf(model, info, rgb) {
  const { mean, std } = info.normalize ?? imagenet;
  if (info.input === "rgb") return [rgb.sub(mean).div(std).expandDims()];
  const [y, cb, cr] = toYcc(rgb);
  if (info.input === "ycbcr") return [tf.concat([y, cb, cr], 3).add(128).sub(mean).div(std)];
  const kernel = dctKernel();
  const blocks = (plane) => tf.conv2d(plane, kernel, 8, "valid");
  const halved = (plane) => tf.avgPool(plane, 2, 2, "valid");
  const planes = { y: blocks(y), cb: blocks(halved(cb)), cr: blocks(halved(cr)) };
  return model.inputNames.map((name) => planes[name]);
}

/** How much detail each block holds: the coefficients' energy beside DC. */
async function showEnergy(coefficients) {
  const energy = tf.tidy(() => {
    const ac = coefficients.slice([0, 0, 0, 1]).square().sum(3).sqrt().squeeze([0]);
    return ac.div(ac.max().maximum(1)).sqrt();
  });
  await tf.browser.toPixels(energy, element("energy"));
  energy.dispose();
}

async function classify(model, info, image) {
  const [probabilities, first] = tf.tidy(() => {
    const inputs = inputsOf(model, info, centreCrop(image, info.inputSize));
    return [model.predict(inputs), inputs[0].clone()];
  });
  const shares = [...(await probabilities.data())].map((share, index) => ({ index, share })).sort((a, b) => b.share - a.share);
  if (info.input === "dct") {
    element("caption").textContent = `its ${first.shape[1]} x ${first.shape[2]} luma blocks, by detail`;
    await showEnergy(first);
  } else element("energy").parentElement.remove();
  tf.dispose([probabilities, first]);
  const rows = shares.slice(0, 5).map(({ index, share }) => {
    const row = document.createElement("tr");
    const cell = (name, content) => {
      const td = row.insertCell();
      td.className = name;
      td.append(content);
    };
    const bar = document.createElement("div");
    bar.style.width = `${100 * share}%`;
    cell("name", info.classNames?.[index] ?? `class ${index}`);
    cell("bar", bar);
    cell("share", `${(100 * share).toFixed(1)} %`);
    return row;
  });
  element("result").replaceChildren(...rows);
  element("state").textContent = `${info.network} on ${tf.getBackend()}`;
  document.body.dataset.done = "true";
}

const loaded = (async () => {
  if (parameters.has("backend")) await tf.setBackend(parameters.get("backend"));
  await tf.ready();
  const info = await (await fetch("/checkpoint/checkpoint.json")).json();
  const model = await tf.loadLayersModel("/checkpoint/model.json");
  element("state").textContent = `${info.network} on ${tf.getBackend()}: choose a picture`;
  return { info, model };
})();

async function show(url) {
  const { info, model } = await loaded;
  const image = new Image();
  image.src = url;
  await image.decode();
  await classify(model, info, image);
}

const failed = (error) => {
  element("state").textContent = `failed: ${error.message}`;
};
element("file").addEventListener("change", ({ target }) => show(URL.createObjectURL(target.files[0])).catch(failed));
if (parameters.has("image")) show(parameters.get("image")).catch(failed);
else loaded.catch(failed);
