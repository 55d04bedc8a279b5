import { Button, Radio, Stack, Text, Textarea } from '@mantine/core';
import { type UseMutationResult, useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';

import { type Measurement, type Review, type ReviewDecision, type ReviewOrder, scansApi } from '../api/scans';
import { Section } from '../inbox/Section';
import { texts } from '../texts/texts';

const t = texts.review.decision;
const LONGEST = 500;
const KINDS: readonly ReviewDecision[] = ['accept', 'reject', 'redo'];

type Sending = UseMutationResult<Review, Error, ReviewOrder>;

/** Sends a decision about a scan; afterwards all that is shown of scans is asked for anew. */
export function useDecision(id: string): Sending {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (order: ReviewOrder) => scansApi.review(id, order),
    onSettled: () => Promise.all([['scan'], ['scans']].map((queryKey) => client.invalidateQueries({ queryKey }))),
  });
}

/** Accepting or rejecting what is seen, or having it measured anew; never without a reason. */
export function DecisionSection({ measurement, reviews, send }: { measurement: Measurement; reviews: number; send: Sending }) {
  const [decision, setDecision] = useState<ReviewDecision | null>(null);
  const [reason, setReason] = useState('');
  const [unsaid, setUnsaid] = useState(false);
  return (
    <Section title={t.title}>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setUnsaid(!reason.trim());
          if (decision === null || !reason.trim()) return;
          // What is decided about is what this page shows: it is refused where that is no longer so.
          send.mutate(
            { decision, reason, measurement: measurement.hash, reviews },
            {
              onSuccess: () => {
                setDecision(null);
                setReason('');
              },
            },
          );
        }}
      >
        <Stack gap="sm">
          <Text size="sm" c="dimmed">
            {t.hint}
          </Text>
          <Radio.Group label={t.what} value={decision} onChange={setDecision}>
            <Stack gap="xs" mt={4}>
              {KINDS.map((kind) => (
                <Radio key={kind} value={kind} label={t.kinds[kind]} description={t.means[kind]} />
              ))}
            </Stack>
          </Radio.Group>
          <Textarea
            label={t.reason}
            description={t.reasonHint}
            required
            autosize
            minRows={2}
            maxLength={LONGEST}
            value={reason}
            error={unsaid && !reason.trim() && t.needed}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
          <Button type="submit" w="fit-content" disabled={decision === null} loading={send.isPending}>
            {t.go}
          </Button>
        </Stack>
      </form>
    </Section>
  );
}
