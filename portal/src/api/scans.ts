import { call } from './client';
import type { components } from './schema';

type Schemas = components['schemas'];
export type ScanRecord = Schemas['ScanRecord'];
export type ScanItem = Schemas['ScanItem'];
export type ScanItemState = Schemas['ScanItemState'];
export type Verdict = Schemas['Verdict'];

/** What data managers ask of scans. */
export const scansApi = {
  scans: (verdict: Verdict | null, limit: number, offset: number) => {
    const asked = new URLSearchParams({ limit: String(limit), offset: String(offset) });
    if (verdict !== null) asked.set('verdict', verdict);
    return call<Schemas['ScanPage']>('GET', `/imaging/scans?${asked.toString()}`);
  },
  inbox: () => call<ScanItem[]>('GET', '/imaging/inbox'),
};
