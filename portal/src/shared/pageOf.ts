import type { components } from '../api/schema';

export type Page = components['schemas']['Page'];

const NAMED = [
  'experiments', 'datasets', 'inbox', 'scans', 'federation', 'help', 'profile', 'people', 'administration',
] as const satisfies readonly Page[];

/** The page that a path shows, for counting; what it is of is not told. */
export function pageOf(path: string): Page | undefined {
  const [first, second] = path.split('/').filter(Boolean);
  if (first === undefined) return 'workspace';
  if (second !== undefined && first === 'experiments') return 'experiment';
  if (second !== undefined && first === 'datasets') return 'dataset';
  return NAMED.find((page) => page === first);
}
