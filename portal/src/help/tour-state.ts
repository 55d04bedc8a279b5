const KEY = 'mip-tour';
const BEGIN = 'mip-tour-begins';

/** Whether this browser has not been offered the tour yet. */
export function isNew(): boolean {
  return localStorage.getItem(KEY) === null;
}

/** The tour was taken, or is not wanted. */
export function rememberTour(): void {
  localStorage.setItem(KEY, 'done');
}

/** The tour is to begin on the next screen that has one. */
export function beginTour(): void {
  sessionStorage.setItem(BEGIN, 'yes');
}

/** Whether the tour is to begin now; asked once. */
export function takeBeginning(): boolean {
  const begins = sessionStorage.getItem(BEGIN) !== null;
  sessionStorage.removeItem(BEGIN);
  return begins;
}
