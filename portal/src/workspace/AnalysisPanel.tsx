import { Button, CloseButton, Group, Stack, Text, TextInput, Title } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { useNavigate } from 'react-router';

import { api, ApiError, type Variable } from '../api/client';
import { Icon } from '../shared/Icon';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/texts';
import { CohortCounter } from './CohortCounter';
import { comparable, CompareField } from './CompareField';
import { inWords, toDocument } from './filter';
import { Gallery } from './Gallery';
import { GridField } from './GridField';
import { inOneSentence } from './inOneSentence';
import { ParameterForm } from './ParameterForm';
import { PreparationField } from './PreparationField';
import { RoleFields } from './RoleField';
import { placesOf } from './roles';
import { requestOf, type Selection } from './selection';
import { possible, ValidationField } from './ValidationField';

const t = texts.analysis;

/** Roles, filter, algorithm and parameters of the analysis to run. */
export function AnalysisPanel({
  selection,
  datasets,
  variables,
  usable,
  longitudinal,
  onChange,
  onEditFilter,
}: {
  selection: Selection;
  datasets: string[];
  variables: ReadonlyMap<string, Variable>;
  usable: Variable[];
  longitudinal: boolean;
  onChange: (change: Partial<Selection>) => void;
  onEditFilter: () => void;
}) {
  const navigate = useNavigate();
  const [choosing, setChoosing] = useState(false);
  const place = useRef<HTMLDivElement>(null);
  const label = (code: string) => variables.get(code)?.label || code;
  const known = (codes: string[]) => codes.flatMap((code) => variables.get(code) ?? []);
  const algorithms = useQuery({ queryKey: ['algorithms'], queryFn: api.algorithms, staleTime: Infinity });
  const data = { data_model: selection.model ?? '', datasets, y: selection.y, x: selection.x };
  const fitting = useQuery({
    queryKey: ['fitting', data],
    queryFn: () => api.fitting(data),
    enabled: datasets.length > 0,
    placeholderData: (before) => before,
  });
  const chosen = algorithms.data?.find((algorithm) => algorithm.name === selection.algorithm);
  const orderOf = (name: string | null) => {
    const found = fitting.data?.find((fit) => fit.name === name);
    const same = (['y', 'x'] as const).every(
      (list) => found?.[list].length === selection[list].length && selection[list].every((code) => found[list].includes(code)),
    );
    return found && same && !fitting.isPlaceholderData ? found : selection;
  };
  // The order in which the variables fit the roles of the chosen algorithm.
  const inOrder = orderOf(selection.algorithm);
  const validation = chosen?.predicts ? possible(selection.validation, datasets) : null;
  const preparation =
    selection.preparation?.longitudinal && !longitudinal
      ? { ...selection.preparation, longitudinal: null }
      : selection.preparation;
  const grid = validation && chosen ? selection.grid : {};
  const run = useMutation({
    mutationFn: () => api.create({ ...requestOf({ ...selection, y: inOrder.y, x: inOrder.x, grid, compare, preparation }, datasets), validation, name: selection.name }),
    onSuccess: (experiment) => {
      // The next analysis has a name of its own.
      onChange({ name: '' });
      void navigate(`/experiments/${experiment.id}`);
    },
  });
  const change = (part: Partial<Selection>) => {
    run.reset();
    onChange(part);
  };
  const reasons = new Map(fitting.data?.map((fit) => [fit.name, fit.reasons]));
  const fits = chosen !== undefined && reasons.get(chosen.name)?.length === 0;
  const sameOrder = (name: string) =>
    [...inOrder.y, ...inOrder.x].join() === [...orderOf(name).y, ...orderOf(name).x].join();
  const fitted = algorithms.data?.filter(({ name }) => reasons.get(name)?.length === 0 && sameOrder(name)) ?? [];
  const others = chosen ? comparable(chosen, fitted, validation !== null) : [];
  const compare = selection.compare
    .filter(({ algorithm }) => others.some(({ name }) => name === algorithm))
    .map((analysis) => (validation ? analysis : { ...analysis, grid: {} }));
  const problems: Record<string, string> = {};
  const compared: Record<string, string>[] = compare.map(() => ({}));
  if (run.error instanceof ApiError) {
    for (const part of run.error.problem.errors) {
      const [, place, whole, parameter] = /^(?:compare\[(\d+)\]\.)?(grid$|algorithm$|(?:parameters|grid)\.([^.[]+))/.exec(part.path) ?? [];
      const told = place === undefined ? problems : compared[Number(place)];
      if (told && whole) told[parameter ?? whole] ??= part.message;
    }
  }
  const unprepared: Record<string, string> = {};
  if (run.error instanceof ApiError) {
    for (const { path, message } of run.error.problem.errors) {
      if (path.startsWith('preparation.')) unprepared[path.slice('preparation.'.length)] ??= message;
    }
  }
  const lacking = !datasets.length ? t.needDatasets : !selection.y.length ? t.first : !chosen ? t.pickOne : t.unfit;

  return (
    <>
      <Stack gap="md" className="panel-body">
        <Group justify="space-between">
          <Title order={2} fz="h4">
            {t.title}
          </Title>
          {(selection.y.length > 0 || selection.x.length > 0 || selection.filter) && (
            <Button
              size="compact-xs"
              variant="subtle"
              color="gray"
              onClick={() => change({ y: [], x: [], filter: null, algorithm: null, parameters: {}, grid: {}, validation: null, compare: [], preparation: null, onLoss: 'fail', name: '' })}
            >
              {t.clear}
            </Button>
          )}
        </Group>
        {(['y', 'x'] as const).map((list) => (
          <RoleFields
            key={list}
            list={list}
            codes={inOrder[list]}
            roles={chosen?.[list] ?? []}
            usable={usable}
            label={label}
            onChange={(codes) => {
              const other = list === 'y' ? 'x' : 'y';
              change({ [list]: codes, [other]: inOrder[other].filter((code) => !codes.includes(code)) });
            }}
            onRemove={(code) =>
              change({
                [list]: inOrder[list].filter((other) => other !== code),
                parameters: withoutSetsOf(code, selection.parameters),
              })
            }
          />
        ))}
        <div>
          <Group justify="space-between" mb={4}>
            <Text size="sm" fw={600}>
              {t.filter}
            </Text>
            <Group gap={4}>
              <Button
                size="compact-xs"
                variant="subtle"
                leftSection={<Icon name="filter" size={12} />}
                onClick={onEditFilter}
              >
                {t.editFilter}
              </Button>
              {selection.filter && (
                <CloseButton size="sm" aria-label={t.clearFilter} onClick={() => change({ filter: null })} />
              )}
            </Group>
          </Group>
          <div className="slot">
            <Text size="sm" c={selection.filter ? undefined : 'dimmed'}>
              {selection.filter ? inWords(selection.filter, variables) : t.noFilter}
            </Text>
          </div>
        </div>
        <ProblemAlert
          error={algorithms.error ?? fitting.error}
          onRetry={() => {
            void algorithms.refetch();
            void fitting.refetch();
          }}
        />
        <div>
          <Group justify="space-between" mb={6}>
            <Text size="sm" fw={600}>
              {t.algorithm}
            </Text>
            {fits && !choosing && (
              <Button
                size="compact-xs"
                variant="subtle"
                onClick={() => {
                  setChoosing(true);
                  place.current?.focus();
                }}
              >
                {t.change}
              </Button>
            )}
          </Group>
          {algorithms.isPending && <Loading />}
          {/* The focus stays here when the list gives way to the form, and back. */}
          <div ref={place} role="group" aria-label={t.algorithm} tabIndex={-1}>
            {algorithms.data && (!fits || choosing) && (
              <Gallery
                algorithms={algorithms.data}
                reasons={reasons}
                chosen={selection.algorithm}
                onChoose={(algorithm) => {
                  setChoosing(false);
                  place.current?.focus();
                  if (algorithm !== selection.algorithm) change({ algorithm, parameters: {}, grid: {} });
                }}
              />
            )}
            {fits && !choosing && (
              <Stack gap="sm" className="chosen">
                <div>
                  <Text fw={620}>{chosen.label}</Text>
                  <Text size="sm" c="dimmed" lh={1.4}>
                    {chosen.description}
                  </Text>
                </div>
                <ParameterForm
                  schema={chosen.parameters}
                  places={placesOf(chosen, known(inOrder.y), known(inOrder.x))}
                  datasets={datasets}
                  values={selection.parameters}
                  problems={problems}
                  onChange={(parameters) => change({ parameters })}
                />
                <PreparationField
                  places={{ y: known(inOrder.y), x: known(inOrder.x), model: usable }}
                  datasets={datasets}
                  longitudinal={longitudinal}
                  value={preparation}
                  problems={unprepared}
                  onChange={(after) => change({ preparation: after })}
                />
                {chosen.predicts && (
                  <ValidationField
                    datasets={datasets}
                    value={validation}
                    onChange={(after) => change({ validation: after })}
                  />
                )}
                {validation && (
                  <GridField
                    algorithm={chosen}
                    grid={grid}
                    problem={problems.grid}
                    onChange={(after) => change({ grid: after })}
                  />
                )}
                <CompareField
                  first={chosen}
                  fitting={fitted}
                  validated={validation !== null}
                  chosen={{ y: known(inOrder.y), x: known(inOrder.x) }}
                  datasets={datasets}
                  compare={compare}
                  problems={compared}
                  onChange={(after) => change({ compare: after })}
                />
                <TextInput
                  size="xs"
                  label={t.name}
                  placeholder={chosen.label}
                  value={selection.name}
                  maxLength={200}
                  onChange={(event) => change({ name: event.currentTarget.value })}
                />
                <Text size="xs" c="dimmed" className="discloses">
                  <b>{t.computes}</b>
                  {inOneSentence({
                    algorithm: chosen.label,
                    y: inOrder.y.map(label),
                    x: inOrder.x.map(label),
                    datasets: datasets.length,
                    filter: selection.filter ? inWords(selection.filter, variables) : null,
                    prepared: preparation !== null,
                    validated: validation !== null,
                  })}
                </Text>
                <Text size="xs" c="dimmed" className="discloses">
                  <b>{t.discloses}</b>
                  {chosen.discloses}
                </Text>
              </Stack>
            )}
          </div>
        </div>
      </Stack>
      <Stack gap={8} className="panel-foot">
        <ProblemAlert error={run.error} />
        <Group gap={6} wrap="nowrap" align="baseline">
          <Text size="sm" c="dimmed">
            {t.cohort}
          </Text>
          {datasets.length > 0 ? (
            <CohortCounter model={selection.model ?? ''} datasets={datasets} filters={toDocument(selection.filter)} />
          ) : (
            <Text size="sm">{t.needDatasets}</Text>
          )}
        </Group>
        <Button fullWidth onClick={() => run.mutate()} loading={run.isPending} disabled={!fits || fitting.isPlaceholderData || datasets.length === 0}>
          {t.run}
        </Button>
        {!fits && !fitting.isPending && (
          <Text size="xs" c="dimmed" ta="center">
            {lacking}
          </Text>
        )}
      </Stack>
    </>
  );
}

/** Parameters without a variable, and without the interactions that it was part of. */
function withoutSetsOf(code: string, parameters: Record<string, unknown>): Record<string, unknown> {
  const holds = (part: unknown) => part === code || (Array.isArray(part) && part.includes(code));
  return Object.fromEntries(
    Object.entries(parameters).flatMap(([name, value]) =>
      value === code ? [] : [[name, Array.isArray(value) ? value.filter((part) => !holds(part)) : value]],
    ),
  );
}
