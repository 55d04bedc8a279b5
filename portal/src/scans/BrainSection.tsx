import { Button, Text } from '@mantine/core';
import { lazy, Suspense, useState } from 'react';

import { Section } from '../inbox/Section';
import { ErrorBoundary } from '../shared/ErrorBoundary';
import { Loading } from '../shared/Loading';
import { texts } from '../texts/texts';

const t = texts.review.brain;
/** The viewer is larger than the portal: it is loaded by those who ask for it. */
const BrainView = lazy(() => import('./BrainView'));

/** The brain in three dimensions, once it is asked for. */
export function BrainSection({ id }: { id: string }) {
  const [wanted, setWanted] = useState(false);
  return (
    <Section title={t.title}>
      <Text size="sm" c="dimmed">
        {t.hint}
      </Text>
      {wanted ? (
        <ErrorBoundary>
          <Suspense fallback={<Loading />}>
            <BrainView id={id} />
          </Suspense>
        </ErrorBoundary>
      ) : (
        <Button variant="default" w="fit-content" onClick={() => setWanted(true)}>
          {t.go}
        </Button>
      )}
    </Section>
  );
}
