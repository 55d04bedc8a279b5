import { Alert, Box, Button, CloseButton, Divider, Group, Pill, Stack, Text, TextInput, Title, UnstyledButton } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useNavigate } from 'react-router';

import { type AlgorithmEntry, api, ApiError, type Variable } from '../api/client';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { texts } from '../texts/en';
import { CohortCounter } from './CohortCounter';
import { inWords, toDocument } from './filter';
import { ParameterForm } from './ParameterForm';
import { requestOf, type Selection } from './selection';

const t = texts.analysis;

/** Roles, filter, algorithm and parameters of the analysis to run. */
export function AnalysisPanel({
  selection,
  datasets,
  variables,
  onChange,
  onEditFilter,
}: {
  selection: Selection;
  datasets: string[];
  variables: ReadonlyMap<string, Variable>;
  onChange: (change: Partial<Selection>) => void;
  onEditFilter: () => void;
}) {
  const navigate = useNavigate();
  const [name, setName] = useState('');
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
  const run = useMutation({
    mutationFn: () => api.create({ ...requestOf(selection, datasets), name }),
    onSuccess: (experiment) => void navigate(`/experiments/${experiment.id}`),
  });
  const reasons = new Map(fitting.data?.map((fit) => [fit.name, fit.reasons]));
  const chosen = algorithms.data?.find((algorithm) => algorithm.name === selection.algorithm);
  const fits = chosen !== undefined && reasons.get(chosen.name)?.length === 0;
  const problems: Record<string, string> = {};
  if (run.error instanceof ApiError) {
    for (const part of run.error.problem.errors) {
      if (part.path.startsWith('parameters.')) problems[part.path.slice('parameters.'.length)] = part.message;
    }
  }

  return (
    <Stack gap="md">
      <Title order={2} fz="h3">
        {t.title}
      </Title>
      {(['y', 'x'] as const).map((role) => (
        <Role
          key={role}
          title={t[role]}
          codes={selection[role]}
          label={label}
          onRemove={(code) => onChange({ [role]: selection[role].filter((other) => other !== code) })}
        />
      ))}
      <div>
        <Group justify="space-between">
          <Text size="sm" fw={600}>
            {t.filter}
          </Text>
          <Group gap={4}>
            <Button size="compact-xs" variant="subtle" onClick={onEditFilter}>
              {t.editFilter}
            </Button>
            {selection.filter && (
              <CloseButton size="sm" aria-label={t.clearFilter} onClick={() => onChange({ filter: null })} />
            )}
          </Group>
        </Group>
        <Text size="sm" c={selection.filter ? undefined : 'dimmed'}>
          {selection.filter ? inWords(selection.filter, label) : t.noFilter}
        </Text>
        <Group gap={6} mt={4}>
          <Text size="sm" c="dimmed">
            {t.cohort}:
          </Text>
          {datasets.length > 0 ? (
            <CohortCounter model={selection.model ?? ''} datasets={datasets} filters={toDocument(selection.filter)} />
          ) : (
            <Text size="sm">{t.needDatasets}</Text>
          )}
        </Group>
      </div>
      <Divider />
      <Text size="sm" fw={600}>
        {t.algorithm}
      </Text>
      {algorithms.isPending && <Loading />}
      <ProblemAlert error={algorithms.error ?? fitting.error} onRetry={() => void algorithms.refetch()} />
      {algorithms.data && (
        <Gallery
          algorithms={algorithms.data}
          reasons={reasons}
          chosen={selection.algorithm}
          onChoose={(algorithm) => onChange({ algorithm, parameters: {} })}
        />
      )}
      {chosen && fits && (
        <>
          <Divider />
          <ParameterForm
            algorithm={chosen}
            roles={{ y: known(selection.y), x: known(selection.x) }}
            datasets={datasets}
            values={selection.parameters}
            problems={problems}
            onChange={(parameters) => onChange({ parameters })}
          />
          <Alert color="teal" variant="light" p="xs">
            <Text size="xs">
              <b>{t.discloses}</b>
              {chosen.discloses}
            </Text>
          </Alert>
          <TextInput
            size="xs"
            label={t.name}
            placeholder={chosen.label}
            value={name}
            maxLength={200}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <ProblemAlert error={run.error} />
          <Button onClick={() => run.mutate()} loading={run.isPending}>
            {t.run}
          </Button>
        </>
      )}
    </Stack>
  );
}

function Role({
  title,
  codes,
  label,
  onRemove,
}: {
  title: string;
  codes: string[];
  label: (code: string) => string;
  onRemove: (code: string) => void;
}) {
  return (
    <div>
      <Text size="sm" fw={600} mb={4}>
        {title}
      </Text>
      {codes.length === 0 && (
        <Text size="sm" c="dimmed">
          {t.emptyRole}
        </Text>
      )}
      <Pill.Group>
        {codes.map((code) => (
          <Pill
            key={code}
            withRemoveButton
            onRemove={() => onRemove(code)}
            removeButtonProps={{ 'aria-label': t.remove(label(code)), tabIndex: 0, 'aria-hidden': false }}
          >
            {label(code)}
          </Pill>
        ))}
      </Pill.Group>
    </div>
  );
}

function Gallery({
  algorithms,
  reasons,
  chosen,
  onChoose,
}: {
  algorithms: AlgorithmEntry[];
  reasons: ReadonlyMap<string, string[]>;
  chosen: string | null;
  onChoose: (name: string) => void;
}) {
  const questions = [...new Set(algorithms.map((algorithm) => algorithm.question))];
  return (
    <Stack gap="xs" role="radiogroup" aria-label={t.chooseAlgorithm}>
      {questions.map((question) => (
        <div key={question}>
          <Text size="xs" c="dimmed" fw={600} mb={2}>
            {question}
          </Text>
          {algorithms
            .filter((algorithm) => algorithm.question === question)
            .map((algorithm) => {
              const why = reasons.get(algorithm.name) ?? [];
              const active = algorithm.name === chosen;
              return (
                <UnstyledButton
                  key={algorithm.name}
                  role="radio"
                  aria-checked={active}
                  aria-disabled={why.length > 0}
                  onClick={() => why.length === 0 && onChoose(algorithm.name)}
                  display="block"
                  w="100%"
                  px={8}
                  py={5}
                  bg={active && why.length === 0 ? 'var(--mantine-primary-color-light)' : undefined}
                  style={{ borderRadius: 4, cursor: why.length ? 'not-allowed' : 'pointer' }}
                  title={algorithm.description}
                >
                  <Text size="sm" fw={active ? 650 : 500} c={why.length ? 'dimmed' : undefined}>
                    {algorithm.label}
                  </Text>
                  {why.length > 0 && (
                    <Text size="xs" c="dimmed">
                      {why[0]}
                    </Text>
                  )}
                  {why.length === 0 && active && <Box fz="xs">{algorithm.description}</Box>}
                </UnstyledButton>
              );
            })}
        </div>
      ))}
    </Stack>
  );
}
