import type { Methods } from '../api/client';
import { texts } from '../texts/texts';

/** The paragraph with its numbered references, as it is pasted into a paper. */
export function asPaper({ paragraph, references }: Methods): string {
  if (!references.length) return paragraph;
  const listed = references.map((reference, place) => `${place + 1}. ${reference}`);
  return [paragraph, '', texts.writeUp.references, ...listed].join('\n');
}
