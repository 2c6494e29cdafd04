/**
 * Makes a table without missing values: `node clean.mjs penguins.csv clean.csv`.
 *
 * A bird that was not measured at all is left out. A bird whose sex was not recorded stays, as `unknown`: that it could
 * not be told says something, and the model may use it.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const MEASURES = ['Beak Length (mm)', 'Beak Depth (mm)', 'Flipper Length (mm)', 'Body Mass (g)'];
const SEXES = new Set(['MALE', 'FEMALE']);

const [from, to] = process.argv.slice(2);
if (from === undefined || to === undefined) throw new Error('Usage: node clean.mjs FROM TO');

const [header, ...birds] = readFileSync(from, 'utf8')
  .trim()
  .split(/\r?\n/)
  .map((line) => line.split(','));
const column = (name) => {
  const index = header.indexOf(name);
  if (index < 0) throw new Error(`${from} has no column "${name}".`);
  return index;
};
const measures = MEASURES.map(column);
const [species, island, sex] = ['Species', 'Island', 'Sex'].map(column);

const kept = birds.filter((bird) => measures.every((index) => bird[index] !== ''));
const lines = kept.map((bird) => [
  bird[species],
  bird[island],
  ...measures.map((index) => bird[index]),
  SEXES.has(bird[sex]) ? bird[sex].toLowerCase() : 'unknown',
]);
writeFileSync(
  to,
  `${[['species', 'island', 'beakLength', 'beakDepth', 'flipperLength', 'bodyMass', 'sex'], ...lines].join('\n')}\n`,
);
console.log(`${kept.length} of ${birds.length} birds kept`);
