import { useSearchParams } from 'react-router';

/** What the list is narrowed by, as its address says it; a page that is linked to is the same list. */
export const WISHES = ['search', 'whose', 'starred', 'state', 'algorithm', 'dataset', 'tag', 'from', 'to'] as const;
export type Wish = (typeof WISHES)[number];
export type Wishes = Record<Wish, string>;

export function useWishes(): { wishes: Wishes; page: number; wish: (change: Partial<Wishes>) => void; turn: (page: number) => void; clear: () => void } {
  const [params, setParams] = useSearchParams();
  const wishes = Object.fromEntries(WISHES.map((name) => [name, params.get(name) ?? ''])) as Wishes;
  const page = Math.max(0, Math.floor(Number(params.get('page'))) || 0);
  return {
    wishes,
    page,
    wish: (change) =>
      setParams(
        (before) => {
          const after = new URLSearchParams(before);
          for (const [name, value] of Object.entries(change)) put(after, name, value);
          after.delete('page');
          return after;
        },
        { replace: true },
      ),
    turn: (to) =>
      setParams((before) => {
        const after = new URLSearchParams(before);
        put(after, 'page', to > 0 ? String(to) : '');
        return after;
      }),
    clear: () => setParams({}, { replace: true }),
  };
}

function put(params: URLSearchParams, name: string, value: string) {
  if (value) params.set(name, value);
  else params.delete(name);
}

/** The same as the API asks it: days of this place become moments, the last day is part of it. */
export function asked({ from, to, ...rest }: Wishes): Record<string, string> {
  return { ...rest, since: momentOf(from, 0), until: momentOf(to, 1) };
}

function momentOf(day: string, later: number): string {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day);
  if (!parts) return '';
  const moment = new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3]) + later);
  return Number.isNaN(moment.getTime()) ? '' : moment.toISOString();
}
