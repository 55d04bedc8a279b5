import { answered, call } from './client';
import type { components } from './schema';

type Schemas = components['schemas'];
export type LedgerEntry = Schemas['LedgerEntry'];
export type JournalEvent = Schemas['Event'];
export type System = Schemas['System'];
export type Usage = Schemas['Usage'];
export type NoticeWay = Schemas['NoticeWay'];
export type NoticeEntry = Schemas['NoticeEntry'];
export type Notices = Schemas['Notices'];

const page = (wishes: Record<string, string>, limit: number, offset: number) =>
  new URLSearchParams({ ...wishes, limit: String(limit), offset: String(offset) }).toString();

export const administrationApi = {
  ledger: (search: string, verdict: string, limit: number, offset: number) =>
    call<Schemas['LedgerPage']>('GET', `/audit?${page({ search, ...(verdict ? { verdict } : {}) }, limit, offset)}`),
  ledgerFile: async () => (await answered('GET', '/audit/export')).blob(),
  checkLedger: () => call<Schemas['LedgerCheck']>('GET', '/audit/check'),
  journal: (search: string, limit: number, offset: number) =>
    call<Schemas['EventPage']>('GET', `/journal?${page({ search }, limit, offset)}`),
  system: () => call<System>('GET', '/system'),
  notices: () => call<Notices>('GET', '/notices'),
  testNotices: () => call<Schemas['WrittenTest']>('POST', '/notices/test'),
  usage: (days: number) => call<Usage>('GET', `/usage?days=${days}`),
};
