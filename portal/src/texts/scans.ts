import type { ScanItemState, ScanJob, Verdict } from '../api/scans';

/** What a data manager reads about scans. */
export const scansTexts = {
  title: 'Scans',
  intro:
    'T1-weighted scans, freed of identifiers. They come from the folder inbox/imaging/ of this installation, from a PACS, or by “mip imaging add”.',
  empty: 'There are no scans',
  emptyHint: 'Copy a folder of DICOM files, a zip, a BIDS folder or a NIfTI file into inbox/imaging/. What becomes of it appears here by itself.',
  noMatch: 'No scan matches what was chosen',
  verdict: 'Verdict',
  any: 'any verdict',
  verdicts: { taken: 'taken', 'left out': 'left out', refused: 'refused' } satisfies Record<Verdict, string>,
  columns: { verdict: 'Verdict', patient: 'Patient', acquired: 'Acquired', volume: 'Volume', source: 'Came as' },
  acquiredHint: 'The date is moved, as the dates of the patient’s records are',
  volume: (shape: readonly number[], voxel: readonly number[]) =>
    `${shape.join(' × ')} voxels of ${voxel.map((edge) => Number(edge.toFixed(2))).join(' × ')} mm`,
  source: (source: string, files: number) => `${source}, ${files.toLocaleString('en')} ${files === 1 ? 'image' : 'images'}`,
  inbox: 'In the inbox',
  kept: 'Kept and judged',
  loose: 'single files',
  inboxColumns: { name: 'What', state: 'State', found: 'Found' },
  states: {
    arriving: 'arriving',
    reading: 'being read',
    read: 'read',
    failed: 'not read',
  } satisfies Record<ScanItemState, string>,
  files: (n: number) => `${n.toLocaleString('en')} ${n === 1 ? 'file' : 'files'}`,
  found: (taken: number, left: number, refused: number, fresh: number) =>
    `${taken} taken, ${left} left out, ${refused} refused; ${fresh} of them new`,
  queue: {
    title: 'Measuring',
    empty: 'No scan is queued to be measured.',
    measure: 'Measure what is new',
    retryAll: 'Try again what failed',
    cancelAll: 'Cancel all',
    first: 'First',
    retry: 'Try again',
    cancel: 'Cancel',
    firstOf: (scan: string) => `Measure first: ${scan}`,
    retryOf: (scan: string) => `Try again: ${scan}`,
    cancelOf: (scan: string) => `Cancel: ${scan}`,
    jobs: 'Scans in the queue',
    columns: { state: 'State', scan: 'Scan', step: 'Step', change: 'Change' },
    states: {
      waiting: 'waits',
      running: 'measured now',
      cancelling: 'being cancelled',
      done: 'measured',
      failed: 'failed',
      cancelled: 'cancelled',
    } satisfies Record<ScanJob['state'], string>,
    counts: (done: number, total: number, running: number, waiting: number, failed: number) =>
      `${done.toLocaleString('en')} of ${total.toLocaleString('en')} measured, ${running.toLocaleString('en')} under way, ${waiting.toLocaleString('en')} wait, ${failed.toLocaleString('en')} failed`,
    rate: (hourly: number, ends: string) => `${hourly.toLocaleString('en', { maximumSignificantDigits: 3 })} an hour; all done about ${ends}`,
    idle: 'Nobody measures just now: the server begins in a moment.',
    held: 'No further scan is begun',
    changed: (n: number) => (n === 0 ? 'Nothing was to be changed.' : `${n.toLocaleString('en')} ${n === 1 ? 'scan' : 'scans'} changed.`),
  },
  previous: 'Previous',
  next: 'Next',
  of: (first: number, last: number, total: number) => `${first}–${last} of ${total.toLocaleString('en')}`,
};
