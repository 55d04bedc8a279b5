import { Button, Group, Text, Title } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';

import { api, type Experiment } from '../api/client';
import { useMoved } from '../experiments/RunAgain';
import { Icon } from '../shared/Icon';
import { Loading } from '../shared/Loading';
import { ProblemAlert } from '../shared/ProblemAlert';
import { save } from '../shared/save';
import { texts } from '../texts/texts';
import { type Box, boxesOf, flowSvg } from './flow';

const t = texts.cohort;
type Question = Parameters<typeof api.flow>[0];

/** How the cohort of an experiment came about, down to whom its result rests on. */
export function CohortOf({ experiment }: { experiment: Experiment }) {
  const { data_model, datasets, filters } = experiment.request.inputdata;
  const moved = useMoved(experiment) ?? [];
  return (
    <section aria-labelledby="cohort-flow">
      <Title order={2} fz="lg" id="cohort-flow">
        {t.title}
      </Title>
      <Text size="sm" c="dimmed" mb="md">
        {t.hint} {moved.length > 0 && t.moved}
      </Text>
      <FlowNow question={{ data_model, datasets, filters, complete: [] }} provenance={experiment.provenance} />
    </section>
  );
}

/** The flow chart of a cohort as it is now; provenance tells whom a result rests on. */
export function FlowNow({ question, provenance = null }: { question: Question; provenance?: Experiment['provenance'] }) {
  const [asked] = useDebouncedValue(JSON.stringify(question), 400);
  const flow = useQuery({
    queryKey: ['flow', asked],
    queryFn: () => api.flow(JSON.parse(asked) as Question),
    enabled: question.datasets.length > 0,
    placeholderData: (before) => before,
  });
  if (!flow.data) {
    return (
      <>
        {flow.isPending && question.datasets.length > 0 && <Loading />}
        <ProblemAlert error={flow.error} onRetry={() => void flow.refetch()} />
      </>
    );
  }
  const boxes = boxesOf(flow.data, provenance);
  return (
    <div>
      <FlowChart boxes={boxes} />
      <Group mt="xs">
        <Button
          size="compact-xs"
          variant="subtle"
          leftSection={<Icon name="download" size={12} />}
          aria-label={t.save}
          onClick={() => save(new Blob([flowSvg(boxes)], { type: 'image/svg+xml' }), 'cohort.svg')}
        >
          {t.svg}
        </Button>
      </Group>
    </div>
  );
}

/** Boxes from all patients to the cohort, and whom each rule leaves out; a list to who hears it. */
export function FlowChart({ boxes }: { boxes: Box[] }) {
  return (
    <ol className="flow" aria-label={t.title}>
      {boxes.map(({ title, count, excluded }, place) => (
        <li key={place}>
          {place > 0 && (
            <div className={`out ${excluded ? '' : 'bare'}`}>
              {excluded && (
                <div className="box">
                  {t.excluded}: <strong>{excluded.count}</strong>, {excluded.why}
                </div>
              )}
            </div>
          )}
          <div className={`box left ${place === boxes.length - 1 ? 'final' : ''}`}>
            {title}: <strong>{count}</strong>
          </div>
        </li>
      ))}
    </ol>
  );
}
