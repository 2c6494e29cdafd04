/** Friendly names for runs: easy to say, hard to confuse. */
import { randomInt } from 'node:crypto';

const ADJECTIVES =
  'amber brave brisk calm clear clever cosy crisp deep eager early fair fleet fresh gentle glad golden grand green happy hardy keen kind light lively lucky mellow merry mild neat noble patient plain proud quick quiet rapid ready rosy sharp silver simple sleek smooth snug solid spry steady still sunny swift tidy vivid warm wise witty young'.split(
    ' ',
  );
const ANIMALS =
  'badger beaver bison bittern crane curlew deer dolphin dove eagle egret falcon ferret finch fox gecko gull hare hawk heron ibex ibis jackdaw jay kestrel kite lark linnet lynx magpie marten mole moth newt osprey otter owl petrel pika plover puffin quail raven robin rook seal shrike sparrow stoat stork swan swift teal tern thrush toad trout vole wagtail wren yak'.split(
    ' ',
  );

/**
 * A name like `quiet-heron-41` that is not taken yet.
 *
 * @param draw gives an integer from 0 to below its argument
 */
export function runName(taken: (name: string) => boolean, draw: (below: number) => number = randomInt): string {
  for (let attempt = 0; ; attempt += 1) {
    const number = draw(attempt < 20 ? 100 : 1_000_000);
    const name = `${ADJECTIVES[draw(ADJECTIVES.length)]}-${ANIMALS[draw(ANIMALS.length)]}-${number}`;
    if (!taken(name)) return name;
  }
}
