import { useCallback, useState } from 'react';

import type { Analysis, Preparation, Request, Validation } from '../api/client';
import { fromDocument, type RuleGroup, toDocument } from './filter';
import { filled, type Grid } from './GridField';

/** What a person has chosen so far; it survives a reload of the page. */
export interface Selection {
  model: string | null;
  datasets: string[] | null;
  variable: string | null;
  y: string[];
  x: string[];
  filter: RuleGroup | null;
  algorithm: string | null;
  parameters: Record<string, unknown>;
  grid: Grid;
  validation: Validation | null;
  compare: Analysis[];
  preparation: Preparation | null;
  onLoss: Request['on_loss'];
  name: string;
}

const KEY = 'mip.selection';
const EMPTY: Selection = {
  model: null, datasets: null, variable: null, y: [], x: [], filter: null, algorithm: null, parameters: {},
  grid: {}, validation: null, compare: [], preparation: null, onLoss: 'fail', name: '',
};

export function stored(): Selection {
  try {
    const text = sessionStorage.getItem(KEY);
    return text ? { ...EMPTY, ...(JSON.parse(text) as Partial<Selection>) } : EMPTY;
  } catch {
    return EMPTY;
  }
}

function keep(selection: Selection): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(selection));
  } catch {
    // A browser that keeps nothing still works until it is reloaded.
  }
}

export function useSelection(): [Selection, (change: Partial<Selection>) => void] {
  const [selection, setSelection] = useState(stored);
  const change = useCallback((part: Partial<Selection>) => {
    setSelection((before) => {
      const after = { ...before, ...part };
      keep(after);
      return after;
    });
  }, []);
  return [selection, change];
}

/** Puts a request that was run before back into the workspace, all of it; name is what it was called. */
export function reopen(request: Request, name = ''): void {
  const { inputdata } = request;
  keep({
    model: inputdata.data_model,
    datasets: inputdata.datasets,
    variable: inputdata.y?.[0] ?? null,
    y: inputdata.y ?? [],
    x: inputdata.x ?? [],
    filter: fromDocument(inputdata.filters),
    algorithm: request.algorithm,
    parameters: request.parameters ?? {},
    grid: request.grid ?? {},
    validation: request.validation ?? null,
    compare: request.compare,
    preparation: request.preparation ?? null,
    onLoss: request.on_loss,
    name,
  });
}

export function requestOf(selection: Selection, datasets: string[]): Request {
  return {
    algorithm: selection.algorithm ?? '',
    inputdata: {
      data_model: selection.model ?? '',
      datasets,
      y: selection.y,
      x: selection.x,
      filters: toDocument(selection.filter),
    },
    parameters: selection.parameters,
    grid: filled(selection.grid),
    validation: selection.validation,
    preparation: selection.preparation,
    compare: selection.compare.map((analysis) => ({ ...analysis, grid: filled(analysis.grid ?? {}) })),
    on_loss: selection.onLoss,
  };
}
