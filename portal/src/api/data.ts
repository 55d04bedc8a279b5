import { call } from './client';
import type { components } from './schema';

type Schemas = components['schemas'];
export type InboxEntry = Schemas['InboxEntry'];
export type ItemState = Schemas['ItemState'];
export type Choice = Schemas['Choice'];
export type ReadingOptions = Schemas['Options'];
export type FileProblem = Schemas['Problem'];
export type Coverage = Schemas['Coverage'];
export type Suggestion = Schemas['Suggestion'];
export type QualityReport = Schemas['QualityReport'];
export type Told = Schemas['Number'];
export type ColumnDecision = Schemas['ColumnDecision'];
export type VersionEntry = Schemas['VersionEntry'];
export type Diff = Schemas['Diff'];
export type CardEntry = Schemas['CardEntry'];
export type PolicyFile = Schemas['PolicyFile'];
export type MappingEntry = Schemas['MappingEntry'];
export type QueryResult = Schemas['QueryResult'];

/** Where a file of the inbox is, below the API's address. */
function place(name: string, part = ''): string {
  return `/inbox/${encodeURIComponent(name)}${part}`;
}

function published(model: string, dataset: string, part: string): string {
  return `/published/${encodeURIComponent(model)}/${encodeURIComponent(dataset)}${part}`;
}

function policy(model: string, dataset: string): string {
  return `/policies/${encodeURIComponent(model)}/${encodeURIComponent(dataset)}`;
}

/** What data managers ask for. */
export const dataApi = {
  inbox: () => call<InboxEntry[]>('GET', '/inbox'),
  item: (name: string) => call<InboxEntry>('GET', place(name)),
  forget: (name: string) => call<undefined>('DELETE', place(name)),
  choose: (name: string, choice: Choice) => call<InboxEntry>('PUT', place(name, '/choice'), choice),
  recognise: (name: string) => call<InboxEntry>('DELETE', place(name, '/choice')),
  look: (name: string) => call<InboxEntry>('POST', place(name, '/look')),
  publish: (name: string, order: Schemas['PublicationOrder']) =>
    call<InboxEntry>('POST', place(name, '/publication'), order),
  suggest: (name: string, model: string, others: string[]) =>
    call<Suggestion>('POST', place(name, '/suggestion'), { model, others }),
  coverage: (name: string, choice: Choice, sample: number) =>
    call<Coverage>('POST', place(name, '/coverage'), { choice, sample }),
  decide: (name: string, decisions: ColumnDecision[]) =>
    call<InboxEntry>('POST', place(name, '/decisions'), { decisions }),
  quality: (name: string) => call<QualityReport[]>('GET', place(name, '/quality')),
  qualityPage: (name: string) => `/api/v1${place(name, '/quality.html')}`,
  problemsFile: (name: string) => `/api/v1${place(name, '/problems')}`,
  query: (sql: string) => call<QueryResult>('POST', '/inbox-query', { sql, limit: 100 }),
  mappings: () => call<MappingEntry[]>('GET', '/mappings'),
  published: () => call<VersionEntry[]>('GET', '/published'),
  versions: (model: string, dataset: string) =>
    call<VersionEntry[]>('GET', published(model, dataset, '/versions')),
  diff: (model: string, dataset: string, before: number, after: number) =>
    call<Diff>('GET', published(model, dataset, `/diff?before=${before}&after=${after}`)),
  rollback: (model: string, dataset: string, version: number) =>
    call<VersionEntry>('POST', published(model, dataset, '/rollback'), { version }),
  remove: (model: string, dataset: string) => call<undefined>('DELETE', published(model, dataset, '')),
  card: (model: string, dataset: string) => call<CardEntry>('GET', published(model, dataset, '/card')),
  datasetQuality: (model: string, dataset: string) =>
    call<QualityReport>('GET', published(model, dataset, '/quality')),
  datasetQualityPage: (model: string, dataset: string) =>
    `/api/v1${published(model, dataset, '/quality.html')}`,
  mappingOf: (model: string, dataset: string, version: number) =>
    `/api/v1${published(model, dataset, `/versions/${version}/mapping`)}`,
  policy: (model: string, dataset: string) => call<PolicyFile>('GET', policy(model, dataset)),
  setPolicy: (model: string, dataset: string, text: string, former: string) =>
    call<PolicyFile>('PUT', policy(model, dataset), { text, former }),
};
