import { Group } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Fragment } from 'react';

import { type Analysis, api, type Request, type Variable } from '../api/client';
import { SyntheticBadge } from '../shared/SyntheticBadge';
import { texts } from '../texts/texts';
import { fromDocument, inWords } from '../workspace/filter';
import { preparationInWords } from '../workspace/PreparationField';
import { validationInWords } from '../workspace/ValidationField';
import { byRole } from '../workspace/roles';
import { allVariables } from '../workspace/variables';

interface Declared {
  title?: string;
  default?: unknown;
  level_of?: string;
  variables_of?: string;
  variable_of?: string;
  labels?: Record<string, string>;
}

/** What was asked, in words: labels for codes, the filter as a sentence. */
export function RequestSummary({ request }: { request: Request }) {
  const data = request.inputdata;
  const model = useQuery({
    queryKey: ['model', data.data_model],
    queryFn: () => api.model(data.data_model),
    retry: false,
  });
  const published = useQuery({
    queryKey: ['datasets', data.data_model],
    queryFn: () => api.datasets(data.data_model),
    retry: false,
  });
  const algorithms = useQuery({ queryKey: ['algorithms'], queryFn: api.algorithms, staleTime: Infinity });
  const algorithm = algorithms.data?.find((known) => known.name === request.algorithm);
  const declared = (algorithm?.parameters.properties ?? {}) as Record<string, Declared>;
  const given = request.parameters ?? {};
  const lists = (['y', 'x'] as const).flatMap((list) => {
    const roles = algorithm?.[list] ?? [];
    const codes = data[list] ?? [];
    if (!roles.length) return [{ name: list, title: texts.analysis[list], codes }];
    const parts = byRole(roles, codes);
    return roles.map(({ name, label: title }, place) => ({ name, title, codes: parts[place] ?? [] }));
  });
  const codesOf = (place: string) => lists.find(({ name }) => name === place)?.codes ?? (place === 'y' || place === 'x' ? data[place] : null) ?? [];
  const variables = model.data ? allVariables(model.data) : new Map<string, Variable>();
  const levelOf = (code: string | undefined, level: unknown) =>
    variables.get(code ?? '')?.enumerations.find((known) => known.code === level)?.label;
  const label = (code: string) => variables.get(code)?.label || code;
  const grid = request.grid ?? {};
  const named = [...new Set([...Object.keys(declared), ...Object.keys(given)])].filter((name) => !(name in grid));
  const parameters = named.flatMap((name) => {
    const value = given[name] ?? declared[name]?.default;
    const { level_of: role, variables_of: several, variable_of: single, labels } = declared[name] ?? {};
    const shown =
      (role && levelOf(codesOf(role)[0], value)) ?? (single && typeof value === 'string' ? label(value) : undefined) ?? labels?.[String(value)] ?? written(value, several ? label : String);
    return shown ? [{ name, title: declared[name]?.title ?? spoken(name), value: shown }] : [];
  });
  const filter = fromDocument(data.filters);
  return (
    <dl className="facts stacked">
      <dt>{texts.experiment.algorithm}</dt>
      <dd>{algorithm?.label ?? request.algorithm}</dd>
      {lists
        .filter(({ codes }) => codes.length > 0)
        .map(({ name, title, codes }) => (
          <Fragment key={name}>
            <dt>{title}</dt>
            <dd>{codes.map(label).join(', ')}</dd>
          </Fragment>
        ))}
      <dt>{texts.workspace.datasets}</dt>
      <dd>
        {data.datasets.map((code) => (
          <Group gap={6} key={code}>
            {code}
            {published.data?.some((dataset) => dataset.code === code && dataset.synthetic) && <SyntheticBadge />}
          </Group>
        ))}
      </dd>
      <dt>{texts.analysis.filter}</dt>
      <dd>{filter ? inWords(filter, variables) : texts.analysis.noFilter}</dd>
      {request.preparation && (
        <>
          <dt>{texts.preparation.title}</dt>
          {preparationInWords(request.preparation, label).map((part) => (
            <dd key={part}>{part}</dd>
          ))}
        </>
      )}
      {request.validation && (
        <>
          <dt>{texts.validation.title}</dt>
          <dd>{validationInWords(request.validation)}</dd>
        </>
      )}
      {Object.entries(grid).map(([name, values]) => (
        <Fragment key={name}>
          <dt>{texts.grid.values(declared[name]?.title ?? spoken(name))}</dt>
          <dd>{written(values, String)}</dd>
        </Fragment>
      ))}
      {request.compare.length > 0 && (
        <>
          <dt>{texts.compare.title}</dt>
          {request.compare.map((other, place) => (
            <dd key={place}>
              {algorithms.data?.find((known) => known.name === other.algorithm)?.label ?? other.algorithm}
              {chosen(other)}
            </dd>
          ))}
        </>
      )}
      {parameters.map(({ name, title, value }) => (
        <Fragment key={name}>
          <dt>{title}</dt>
          <dd>{value}</dd>
        </Fragment>
      ))}
    </dl>
  );
}

/** What a further analysis was given, after its name. */
function chosen({ parameters = {}, grid = {} }: Analysis): string {
  const told = Object.entries({ ...parameters, ...grid }).map(([name, value]) => `${spoken(name)} ${written(value, String)}`);
  return told.length ? ` (${told.join('; ')})` : '';
}

function spoken(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1).replaceAll('_', ' ');
}

/** A parameter as one reads it; empty for an empty list or nothing. */
function written(value: unknown, word: (code: string) => string): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'boolean') return value ? texts.yes : texts.no;
  if (Array.isArray(value)) {
    return value.map((part: unknown) => (Array.isArray(part) ? part.map((code) => word(String(code))).join(' × ') : word(String(part)))).join(', ');
  }
  return typeof value === 'string' ? value : JSON.stringify(value);
}
