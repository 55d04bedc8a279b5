import { answered, call } from './client';
import type { components } from './schema';

type Schemas = components['schemas'];
export type ScanRecord = Schemas['ListedScan'];
export type ScanItem = Schemas['ScanItem'];
export type ScanItemState = Schemas['ScanItemState'];
export type Verdict = Schemas['Verdict'];
export type Standing = NonNullable<ScanRecord['standing']>;
export type ScanSheet = Schemas['ScanAnswer'];
export type Measurement = Schemas['Measurement'];
export type JudgedVolume = Schemas['JudgedVolume'];
export type Flag = Schemas['Flag'];
export type Review = Schemas['Review'];
export type ReviewOrder = Schemas['ReviewOrder'];
export type ReviewDecision = Schemas['ReviewDecision'];
export type Slices = Schemas['Slices'];
export type Outlines = Schemas['Outlines'];
export type Plane = Schemas['Plane'];
export type ScanJob = Schemas['ScanJob'];
export type QueueStanding = Schemas['QueueStanding'];
export type QueueChange = Schemas['QueueChange'];

const place = (id: string) => `/imaging/scans/${encodeURIComponent(id)}`;

/** What data managers ask of scans. */
export const scansApi = {
  scans: (verdict: Verdict | null, standing: Standing | null, limit: number, offset: number) => {
    const asked = new URLSearchParams({ limit: String(limit), offset: String(offset) });
    if (verdict !== null) asked.set('verdict', verdict);
    if (standing !== null) asked.set('standing', standing);
    return call<Schemas['ScanPage']>('GET', `/imaging/scans?${asked.toString()}`);
  },
  inbox: () => call<ScanItem[]>('GET', '/imaging/inbox'),
  queue: () => call<Schemas['QueuePage']>('GET', '/imaging/queue?limit=10'),
  changeQueue: (change: QueueChange, scans: string[] | null) => call<Schemas['QueueAnswer']>('POST', '/imaging/queue', { change, scans }),
  sheet: (id: string) => call<ScanSheet>('GET', place(id)),
  slices: (id: string) => call<Slices>('GET', `${place(id)}/slices`),
  /** The address of a picture; only names the one label that is outlined. */
  slice: (id: string, plane: Plane, at: number, outlines: Outlines, only: number | null) => {
    const asked = new URLSearchParams({ at: String(at), outlines });
    if (only !== null) asked.set('only', String(only));
    return `/api/v1${place(id)}/slices/${plane}?${asked.toString()}`;
  },
  brain: async (id: string) => (await answered('GET', `${place(id)}/brain`)).arrayBuffer(),
  review: (id: string, order: ReviewOrder) => call<Review>('POST', `${place(id)}/reviews`, order),
};
