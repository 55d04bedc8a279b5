import { useState } from 'react';

/** So many lines are drawn at once; the next when one comes near the last of them. */
export const STEP = 30;

/**
 * How many of a list's lines are drawn, so that a key typed over thousands costs no more than over few.
 *
 * subject is what the list is of: another one begins at its first lines. reach draws at least so many.
 */
export function useDrawn(total: number, subject: string): { drawn: number; reach: (lines: number) => void } {
  const [reached, setReached] = useState({ subject, lines: STEP });
  const lines = reached.subject === subject ? reached.lines : STEP;
  return {
    drawn: Math.min(total, lines),
    reach: (wanted) => {
      if (wanted > lines) setReached({ subject, lines: Math.ceil(wanted / STEP) * STEP });
    },
  };
}
