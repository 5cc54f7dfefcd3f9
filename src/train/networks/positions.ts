// Where a token stands, as sines and cosines of its row and column (Vaswani et al. 2017, in two dimensions as in Beyer
// et al. 2022).

/** Positions [tokens, channels] over a square grid, row by row: sines and cosines of the column, then of the row. */
export function positionTable(tokens: number, channels: number): Float32Array {
  const side = Math.round(Math.sqrt(tokens));
  const waves = Math.max(1, Math.floor(channels / 4));
  const table = new Float32Array(tokens * channels);
  for (let token = 0; token < tokens; token++) {
    const coordinates = [token % side, Math.floor(token / side)];
    for (let wave = 0; wave < waves; wave++) {
      const frequency = 10000 ** (-wave / Math.max(1, waves - 1));
      for (const [axis, coordinate] of coordinates.entries()) {
        const at = token * channels + 2 * axis * waves + wave;
        table[at] = Math.sin(coordinate * frequency);
        table[at + waves] = Math.cos(coordinate * frequency);
      }
    }
  }
  return table;
}
