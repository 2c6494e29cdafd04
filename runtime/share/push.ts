/**
 * Sends what a project has: objects first, then the records that name them, so that a record never lacks anything; then
 * the logs that name the records.
 */
import type { Bytes, Digest } from '../../grammar/plan/plan.ts';
import { addBehind, namedBy } from '../ledger/named.ts';
import type { StoredRecord } from '../ledger/record.ts';
import type { Project } from '../project.ts';
import { readTrash } from '../store/remotes/collection/epochs.ts';
import { Reliance, type RelianceOptions } from '../store/remotes/collection/reliance.ts';
import { makeRemote } from '../store/remotes/format.ts';
import { objectsOf } from '../store/remotes/outgoing.ts';
import { recordsThere, sendRecords } from '../store/remotes/records.ts';
import { chosenRemote } from '../store/remotes/settings.ts';
import { type Line, openLine, Progress, type TransferOptions } from '../store/remotes/transfer.ts';
import { type Sent, sendObjects } from '../store/remotes/upload.ts';
import { modelOf } from '../versions/model.ts';
import { orCancelled } from './cancelled.ts';
import { rememberOnRemote } from './known.ts';
import { planLogs, pushLogs } from './logs.ts';
import { withDriver } from './remotes.ts';

export interface PushOptions extends TransferOptions {
  /** The default one where none is named. */
  remote?: string;
  /** Reads everything that is there again, and replaces what is wrong. */
  repair?: boolean;
  reliance?: RelianceOptions;
}

export interface PushAnswer {
  remote: string;
  /** Sent now; what was there already is in `present`. */
  objects: number;
  bytes: Bytes;
  records: number;
  present: number;
  /** Records that were not sent, because something that they name is neither here nor there. */
  held: { record: Digest; step: string; lacks: Digest[] }[];
  /** Writers whose logs were sent, or have grown there. */
  logs: string[];
  /** What is not as it should be: logs that part. */
  problems: string[];
}

/**
 * @param references models; all records of the project where there are none
 * @throws MlpipeError `remote-missing`, `remote-unknown`, `reference-unknown`, and what `store/remotes/failure.ts` names
 */
export async function push(
  project: Project,
  references: readonly string[] = [],
  options: PushOptions = {},
): Promise<PushAnswer> {
  const remote = chosenRemote(project.root, options.remote);
  const records = references.length === 0 ? project.ledger.list() : behind(project, references);
  return orCancelled(options.signal, () =>
    withDriver(
      project,
      remote,
      async (driver) => {
        const line = openLine(driver, options);
        const progress = new Progress(line, 'up');
        await makeRemote(line);
        progress.begin('comparing');
        const repair = options.repair ?? false;
        // What was collected is not sent again only because its record is here.
        const all = references.length > 0 || repair || !(await readTrash(line)).narrowed;
        const there = all
          ? NONE
          : await recordsThere(
              line,
              records.map(({ digest }) => digest),
            );
        const named = new Map(
          records.filter(({ digest }) => !there.has(digest)).map(({ digest, record }) => [digest, namedBy(record)]),
        );
        const roots = [...new Set([...named.values()].flatMap(({ objects }) => objects))];
        const sent = await sendRelied(project, roots, line, progress, repair, options.reliance);
        const lacks = (digest: Digest) => named.get(digest)?.objects.filter((object) => sent.missing.has(object)) ?? [];
        const held = records
          .map(({ digest, record }) => ({ record: digest, step: record.step, lacks: lacks(digest) }))
          .filter((each) => each.lacks.length > 0);
        const heldBack = new Set(held.map(({ record }) => record));
        const whole = records.map(({ digest }) => digest).filter((digest) => !heldBack.has(digest));
        const problems: string[] = [];
        const place = {
          ledger: project.ledger,
          line,
          remote: remote.name,
          problem: (message: string) => void problems.push(message),
        };
        const plan = await planLogs(place, { repair });
        // Causes before effects: whoever sees a record finds those that it came from.
        const count = await sendRecords(project.store.folder, whole.reverse(), line, progress, {
          repair,
          named: plan.names,
        });
        const logs = await pushLogs(place, plan, repair);
        rememberOnRemote(
          project.store.folder,
          remote.name,
          roots.filter((digest) => !sent.missing.has(digest)),
        );
        const { objects, bytes, present } = sent;
        return { remote: remote.name, objects, bytes, records: count, present, held, logs, problems };
      },
      options,
    ),
  );
}

const NONE: ReadonlySet<Digest> = new Set();

/** Sends objects, and again what somebody has deleted meanwhile who collects there. */
async function sendRelied(
  project: Project,
  roots: readonly Digest[],
  line: Line,
  progress: Progress,
  repair: boolean,
  options?: RelianceOptions,
): Promise<Sent> {
  const { folder: store } = project.store;
  const reliance = new Reliance(line, roots, options);
  const send = (trustNothing: boolean) =>
    sendObjects(objectsOf(store), roots, line, progress, { store, repair: trustNothing });
  let sent = await send((await reliance.declare()) || repair);
  while (await reliance.declare()) {
    const again = await send(true);
    sent = { ...again, objects: sent.objects + again.objects, bytes: sent.bytes + again.bytes };
  }
  return sent;
}

/** The records of models, of all that they were made from, and of what was measured of them. The newest first. */
function behind(project: Project, references: readonly string[]): StoredRecord[] {
  const found = new Map<Digest, StoredRecord>();
  for (const reference of references) {
    const model = modelOf(project, reference);
    addBehind(project, model, found);
    for (const { digest } of Object.values(model.record.outputs)) {
      for (const reader of project.ledger.readers(digest)) {
        if (reader.record.kind === 'evaluate' || reader.record.kind === 'reproduce') addBehind(project, reader, found);
      }
    }
  }
  return [...found.values()].sort((one, other) => (one.record.when.ended < other.record.when.ended ? 1 : -1));
}
