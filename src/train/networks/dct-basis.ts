// The discrete cosine transform as matrices: orthonormal DCT-II, as JPEG has it (ITU-T T.81, A.3.3).

/** Row k is the k-th basis function over n samples: [n, n], row by row. */
export function dctMatrix(n: number): Float64Array {
  const matrix = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    const scale = Math.sqrt((k === 0 ? 1 : 2) / n);
    for (let i = 0; i < n; i++) matrix[k * n + i] = scale * Math.cos((Math.PI * (2 * i + 1) * k) / (2 * n));
  }
  return matrix;
}

/** A convolution kernel [8, 8, 1, 64] that gives an 8x8 block's coefficients in natural (row by row) order. */
export function blockKernel(): Float32Array {
  const t = dctMatrix(8);
  const kernel = new Float32Array(8 * 8 * 64);
  for (let y = 0; y < 8; y++)
    for (let x = 0; x < 8; x++)
      for (let u = 0; u < 8; u++)
        for (let v = 0; v < 8; v++)
          kernel[(y * 8 + x) * 64 + u * 8 + v] = (t[u * 8 + y] as number) * (t[v * 8 + x] as number);
  return kernel;
}

/**
 * A convolution kernel [2, 2, 64, 256] that joins four blocks' coefficients to those of the 16x16 pixels they cover,
 * natural order on both sides: per axis T16 (T8 + T8)^T, orthonormal (block composition: Jiang and Feng 2002).
 */
export function joinKernel(): Float32Array {
  const [small, large] = [dctMatrix(8), dctMatrix(16)];
  const join = new Float64Array(16 * 16);
  for (let k = 0; k < 16; k++)
    for (let block = 0; block < 2; block++)
      for (let u = 0; u < 8; u++)
        for (let n = 0; n < 8; n++)
          (join[k * 16 + block * 8 + u] as number) +=
            (large[k * 16 + block * 8 + n] as number) * (small[u * 8 + n] as number);
  const kernel = new Float32Array(2 * 2 * 64 * 256);
  for (let i = 0; i < 2; i++)
    for (let j = 0; j < 2; j++)
      for (let uv = 0; uv < 64; uv++)
        for (let out = 0; out < 256; out++)
          kernel[((i * 2 + j) * 64 + uv) * 256 + out] =
            (join[(out >> 4) * 16 + i * 8 + (uv >> 3)] as number) *
            (join[(out & 15) * 16 + j * 8 + (uv & 7)] as number);
  return kernel;
}
