/** Croissant 1.1: a data set as other tools load it, its content by digest. */
import type { ColumnPlan, DataPlan } from '../../grammar/plan/plan.ts';
import { layoutByNames } from '../data/layout.ts';
import type { RecordedInput } from '../ledger/record.ts';
import { type About, licenseUrl } from './about.ts';
import { hex } from './names.ts';

type Json = Record<string, unknown>;

export interface DescribedData {
  plan: DataPlan;
  input: RecordedInput;
  about: About;
  /** Whether it is a folder, or a glob. */
  folder: boolean;
  /** The names in the first line of a table; empty where it has none, or is no table. */
  header: readonly string[];
}

/** The context of the specification, which loaders compare word for word. */
const CONTEXT: Json = {
  '@language': 'en',
  '@vocab': 'https://schema.org/',
  arrayShape: 'cr:arrayShape',
  citeAs: 'cr:citeAs',
  column: 'cr:column',
  conformsTo: 'dct:conformsTo',
  containedIn: 'cr:containedIn',
  cr: 'http://mlcommons.org/croissant/',
  data: { '@id': 'cr:data', '@type': '@json' },
  dataType: { '@id': 'cr:dataType', '@type': '@vocab' },
  dct: 'http://purl.org/dc/terms/',
  description: { '@container': '@language' },
  equivalentProperty: 'cr:equivalentProperty',
  examples: { '@id': 'cr:examples', '@type': '@json' },
  extract: 'cr:extract',
  field: 'cr:field',
  fileObject: 'cr:fileObject',
  fileProperty: 'cr:fileProperty',
  fileSet: 'cr:fileSet',
  format: 'cr:format',
  includes: 'cr:includes',
  isArray: 'cr:isArray',
  isLiveDataset: 'cr:isLiveDataset',
  jsonPath: 'cr:jsonPath',
  key: 'cr:key',
  md5: 'cr:md5',
  name: { '@container': '@language' },
  parentField: 'cr:parentField',
  path: 'cr:path',
  rai: 'http://mlcommons.org/croissant/RAI/',
  recordSet: 'cr:recordSet',
  references: 'cr:references',
  regex: 'cr:regex',
  repeated: 'cr:repeated',
  replace: 'cr:replace',
  samplingRate: 'cr:samplingRate',
  sc: 'https://schema.org/',
  separator: 'cr:separator',
  source: 'cr:source',
  subField: 'cr:subField',
  transform: 'cr:transform',
};

export function croissant(data: DescribedData): Json {
  const { plan, input, about } = data;
  const distribution = distributionOf(data);
  const fields = fieldsOf(data, distribution);
  const creators = about.creator.map(({ name, kind, url }) => ({
    '@type': kind === 'person' ? 'sc:Person' : 'sc:Organization',
    name,
    ...(url === undefined ? {} : { url }),
  }));
  return {
    '@context': CONTEXT,
    '@type': 'sc:Dataset',
    conformsTo: 'http://mlcommons.org/croissant/1.1',
    name: about.name ?? plan.name,
    description: about.description,
    license: licenseUrl(about.license),
    url: about.url,
    creator: creators.length === 1 ? creators[0] : creators,
    datePublished: about.datePublished,
    // Content may change while a version that people give stays: the digest is in it as SemVer's build, which orders nothing.
    version: about.version ?? `1.0.0+sha256.${hex(input.digest).slice(0, 12)}`,
    ...(about.citeAs === undefined ? {} : { citeAs: about.citeAs }),
    ...(about.keywords === undefined ? {} : { keywords: about.keywords }),
    isLiveDataset: false,
    distribution: [distribution],
    ...(fields.length === 0
      ? {}
      : { recordSet: [{ '@type': 'cr:RecordSet', '@id': plan.name, name: plan.name, field: fields }] }),
  };
}

function distributionOf({ plan, input, folder }: DescribedData): Json & { '@id': string; '@type': string } {
  const path = (input.path ?? plan.name).replace(/\/+$/, '');
  if (!folder) {
    return {
      '@type': 'cr:FileObject',
      '@id': path,
      name: path.slice(path.lastIndexOf('/') + 1),
      contentUrl: path,
      contentSize: `${input.bytes} B`,
      encodingFormat: encodingOf(path),
      sha256: hex(input.digest),
    };
  }
  const glob = /[*?[{]/.test(path);
  return {
    '@type': 'cr:FileSet',
    '@id': path,
    name: path,
    description: `The folder's digest is ${input.digest}.`,
    encodingFormat: hasPicture(plan) ? ['image/png', 'image/jpeg'] : encodingOf(path),
    includes: glob ? path : `${path}/**`,
  };
}

function encodingOf(path: string): string {
  const plain = path.toLowerCase().replace(/\.gz$/, '');
  if (plain !== path.toLowerCase()) return 'application/gzip';
  if (/\.(?:tsv|tab)$/.test(plain)) return 'text/tab-separated-values';
  if (/\.(?:csv|psv|txt|data)$/.test(plain)) return 'text/csv';
  if (/\.(?:parquet|pq)$/.test(plain)) return 'application/vnd.apache.parquet';
  if (/\.png$/.test(plain)) return 'image/png';
  return /\.jpe?g$/.test(plain) ? 'image/jpeg' : 'application/octet-stream';
}

function hasPicture({ schema }: DataPlan): boolean {
  return schema.some(({ type }) => type.kind === 'image');
}

/** The fields whose place in the source is known: columns of a table, and pictures of a folder. */
function fieldsOf(data: DescribedData, source: Json & { '@id': string; '@type': string }): Json[] {
  const { plan, header } = data;
  const reference = { [source['@type'] === 'cr:FileSet' ? 'fileSet' : 'fileObject']: { '@id': source['@id'] } };
  const field = (id: string, dataType: string, extract: Json, about: Json = {}): Json => ({
    '@type': 'cr:Field',
    '@id': `${plan.name}/${id}`,
    name: id,
    dataType,
    ...about,
    source: { ...reference, extract },
  });
  if (hasPicture(plan)) {
    return plan.schema
      .filter(({ type }) => type.kind === 'image')
      .map(({ name }) => field(name, 'sc:ImageObject', { fileProperty: 'content' }));
  }
  if (header.length > 0) {
    const { column } = layoutByNames(plan.schema, [...header]);
    return header.flatMap((name, index) => {
      const found = plan.schema[column[index] ?? -1];
      return found === undefined ? [] : [field(name.trim(), typeOf(found), { column: name })];
    });
  }
  if (!/\.(?:parquet|pq)$/i.test(source['@id'])) return [];
  return plan.schema.map((column) => field(column.name, typeOf(column), { column: column.name }, arrayOf(column)));
}

function arrayOf({ type }: ColumnPlan): Json {
  if (!('shape' in type) || type.shape.length === 0) return {};
  return { isArray: true, arrayShape: type.shape.join(',') };
}

function typeOf({ type }: ColumnPlan): string {
  switch (type.kind) {
    case 'float':
      return 'sc:Float';
    case 'int':
      return 'sc:Integer';
    case 'bool':
      return 'sc:Boolean';
    case 'class':
      return type.labels === undefined ? 'sc:Integer' : 'sc:Text';
    case 'image':
      return 'sc:ImageObject';
    case 'text':
      return 'sc:Text';
  }
}
