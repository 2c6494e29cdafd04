/** Many who send and collect, each turn when chance says so, some of them killed: nothing is lost that a record names. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { collectRemoteGarbage } from '../../runtime/collect/remote.ts';
import type { Project } from '../../runtime/project.ts';
import { push } from '../../runtime/share/push.ts';
import { recordOf } from '../runtime/records.ts';
import { Mortal } from './mortal.ts';
import { MemoryRemote, mustBeSound, projectAt, QUICK, remove, temporaryFolder } from './support.ts';

const DAY = 86_400_000;
const GRACE = 14 * 86_400;

describe('collections and sendings in any order', function () {
  this.timeout(240_000);

  /** Each turn of somebody comes when chance says so. */
  for (const seed of [1, 2, 3, 4, 5, 6]) {
    it(`lose nothing that a record names (${seed})`, async () => {
      const folder = temporaryFolder();
      let state = seed * 7919;
      const chance = () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state / 2 ** 32;
      };
      const remote = new MemoryRemote();
      let now = Date.UTC(2026, 0, 1);
      const url = join(folder, 'models');
      const people = ['ada', 'ben', 'cleo', 'dan'].map((name) => projectAt(join(folder, name), url));
      const collectors = ['eve', 'fay'].map((name) => projectAt(join(folder, name), url));
      const turn = async () => {
        now += 1000;
        if (chance() < 0.3) await wait(chance() * 4);
      };
      const driver = () => new Mortal(remote, chance() < 0.4 ? Math.floor(chance() * 120) : undefined, turn);
      const options = () => ({ ...QUICK, around: driver, reliance: { now: () => now, pause: 3 } });
      let [sent, killed, deleted] = [0, 0, 0];
      const person = async (project: Project, number: number) => {
        for (let round = 0; round < 6; round += 1) {
          const data = join(project.root, 'data');
          fs.rmSync(data, { recursive: true, force: true });
          fs.mkdirSync(data);
          // Out of few, so that all rely on what others have left.
          const from = Math.floor(chance() * 3) * 30;
          for (let file = from; file < from + 70; file += 1)
            fs.writeFileSync(join(data, `${file}.txt`), `file ${file}`);
          const { digest, bytes } = await project.store.put(data);
          const text = await project.store.putBytes(`plan ${from}`);
          const inputs = [{ name: 'data:digits', digest, bytes, path: 'data' }];
          await project.ledger.append(
            recordOf({ plan: text.digest, keyParts: text.digest, inputs, reason: `${number} ${round}` }),
          );
          await push(project, [], options()).then(
            () => (sent += 1),
            () => (killed += 1),
          );
          await wait(chance() * 20);
        }
      };
      let busy = true;
      const collector = async (project: Project) => {
        while (busy) {
          await collectRemoteGarbage(project, {
            remote: 'shared',
            scope: 'unreferenced',
            grace: GRACE,
            now: () => now,
            ...options(),
          }).then(
            (found) => (deleted += found.deleted.files),
            () => undefined,
          );
          // A night, or a fortnight in which nobody sends.
          now += chance() < 0.5 ? DAY : 0;
          await wait(chance() * 30);
        }
      };
      try {
        const collecting = collectors.map(collector);
        await Promise.all(people.map(person));
        busy = false;
        await Promise.all(collecting);
        mustBeSound(remote.files);
        for (let round = 0; round < 3; round += 1) {
          now += 15 * DAY;
          const [first] = collectors;
          if (first)
            deleted += (
              await collectRemoteGarbage(first, {
                remote: 'shared',
                scope: 'unreferenced',
                grace: GRACE,
                now: () => now,
                ...QUICK,
                around: () => remote,
              })
            ).deleted.files;
          mustBeSound(remote.files);
        }
        assert.ok(sent > 0 && killed > 0, `${sent} sent, ${killed} killed, ${deleted} deleted`);
      } finally {
        for (const project of [...people, ...collectors]) project.close();
        remove(folder);
      }
    });
  }
});
