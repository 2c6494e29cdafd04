/** One document in one format: finds what is meant, gathers, writes. Equal records give equal texts. */
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { canonicalJson } from '../../grammar/plan/canonical.ts';
import { EXIT, MlpipeError } from '../errors.ts';
import type { StoredRecord } from '../ledger/record.ts';
import type { Project } from '../project.ts';
import type { Store } from '../store/store.ts';
import { modelOf } from '../versions/model.ts';
import { resolveReference } from '../versions/resolve.ts';
import { modelCard } from './card.ts';
import { cardAsHtml, cardAsMarkdown } from './card-text.ts';
import { croissant } from './croissant.ts';
import { billOfMaterials } from './cyclonedx.ts';
import { describedData } from './data.ts';
import { envelopeOf, IN_TOTO_PAYLOAD, readSigningKey } from './envelope.ts';
import { evidenceOf } from './evidence.ts';
import { provenanceStatement } from './in-toto.ts';
import { signingBundle } from './model-signing.ts';
import { runEvents } from './openlineage.ts';
import { type Crate, workflowRunCrate } from './ro-crate.ts';
import { sendEvents } from './send.ts';

export const FORMATS = [
  'in-toto',
  'openlineage',
  'cyclonedx',
  'modelcard',
  'ro-crate',
  'croissant',
  'model-signing',
] as const;
export type Format = (typeof FORMATS)[number];

export interface ExportOptions {
  format: Format;
  /** The version of this mlpipe, which the documents name as their writer. */
  version: string;
  /** A private key in PEM. */
  key?: string;
  /** The address of an OpenLineage server. */
  to?: string;
  /** The file about the data, where it is not beside it. */
  about?: string;
  /** Of the crate. */
  license?: string;
  html?: boolean;
}

export interface ExportedDocument {
  text: string;
  /** What the document lacks and what to do, in sentences. */
  warnings: string[];
  /** Where it was sent. */
  sentTo?: string;
  /** Of a crate: what its folder holds. */
  crate?: Crate;
}

/** @throws MlpipeError what the formats name, and `usage` for an option that the format has no use for */
export async function exportDocument(
  project: Project,
  reference: string,
  options: ExportOptions,
): Promise<ExportedDocument> {
  refuseIdle(options);
  const { format, version } = options;
  if (format === 'croissant') {
    const data = await describedData(project, reference, {
      resolve: (name) => resolveReference(project, name),
      ...(options.about === undefined ? {} : { about: options.about }),
    });
    return { text: json(croissant(data)), warnings: [] };
  }
  const evidence = await evidenceOf(project, meant(project, reference, format), version);
  switch (format) {
    case 'in-toto': {
      const statement = provenanceStatement(evidence);
      if (options.key === undefined) return { text: json(statement), warnings: [UNSIGNED] };
      const key = readSigningKey(options.key);
      return { text: json(envelopeOf(canonicalJson(statement), IN_TOTO_PAYLOAD, key)), warnings: [] };
    }
    case 'openlineage': {
      const events = runEvents(evidence);
      const sent = options.to === undefined ? {} : { sentTo: await sendEvents(events, options.to) };
      return { text: json(events), warnings: [], ...sent };
    }
    case 'cyclonedx':
      return { text: json(billOfMaterials(evidence)), warnings: [] };
    case 'modelcard': {
      const card = modelCard(evidence);
      return { text: options.html ? cardAsHtml(card) : cardAsMarkdown(card), warnings: [] };
    }
    case 'ro-crate': {
      const crate = workflowRunCrate(evidence, options.license);
      return { text: json(crate.metadata), warnings: options.license === undefined ? [UNLICENSED] : [], crate };
    }
    case 'model-signing': {
      const key = options.key === undefined ? undefined : readSigningKey(options.key);
      return { text: json(signingBundle(evidence, key)), warnings: [] };
    }
  }
}

const UNSIGNED = 'The statement is not signed: anybody may have written it. Sign it with --key.';
const UNLICENSED =
  'The crate names no licence, which RO-Crate asks for and mlpipe cannot know: say it with --license CC-BY-4.0 or another.';

/** Which formats have a use for an option. */
const USES: { option: 'key' | 'to' | 'about' | 'license' | 'html'; formats: readonly Format[] }[] = [
  { option: 'key', formats: ['in-toto', 'model-signing'] },
  { option: 'to', formats: ['openlineage'] },
  { option: 'about', formats: ['croissant'] },
  { option: 'license', formats: ['ro-crate'] },
  { option: 'html', formats: ['modelcard'] },
];

function refuseIdle(options: ExportOptions): void {
  const idle = USES.find(({ option, formats }) => options[option] !== undefined && !formats.includes(options.format));
  if (idle === undefined) return;
  throw new MlpipeError(`--${idle.option} means nothing for ${options.format}.`, {
    code: 'usage',
    todo: `Leave it out, or export ${idle.formats.join(' or ')}.`,
    exit: EXIT.usage,
  });
}

/** Formats about a model take an evaluation for what it evaluated; the others are about any record. */
function meant(project: Project, reference: string, format: Format): StoredRecord {
  const ofModel = format === 'cyclonedx' || format === 'modelcard' || format === 'model-signing';
  return ofModel ? modelOf(project, reference) : resolveReference(project, reference);
}

/** Sorted keys, readable. */
function json(value: unknown): string {
  return `${JSON.stringify(JSON.parse(canonicalJson(value)), undefined, 2)}\n`;
}

/**
 * Lays a crate out as a folder.
 *
 * @param folder is made; nothing may lie in it
 * @throws MlpipeError `folder-taken`, `object-missing`
 */
export async function layCrate(store: Store, { text, crate }: ExportedDocument, folder: string): Promise<void> {
  if (crate === undefined) throw new TypeError('Only a crate is laid out.');
  if (fs.existsSync(folder) && fs.readdirSync(folder).length > 0) {
    throw new MlpipeError(`${folder} is not empty.`, {
      code: 'folder-taken',
      todo: 'Name a folder that is not there yet.',
      exit: EXIT.usage,
    });
  }
  fs.mkdirSync(folder, { recursive: true });
  for (const { path, digest, text: content } of crate.contents) {
    const place = join(folder, path);
    fs.mkdirSync(dirname(place), { recursive: true });
    if (digest !== undefined) await store.checkout(digest, place, { writable: true });
    else fs.writeFileSync(place, content ?? '');
  }
  fs.writeFileSync(join(folder, 'ro-crate-metadata.json'), text);
}
