import { Text } from '@mantine/core';

import type { Measurement, Review } from '../api/scans';
import { Section } from '../inbox/Section';
import { locale, texts } from '../texts/texts';

const t = texts.review;

/** What was decided of a scan, newest first. */
export function ReviewsSection({ reviews, measurement }: { reviews: readonly Review[]; measurement: Measurement | null }) {
  return (
    <Section title={t.reviews.title}>
      {reviews.length === 0 && <Text size="sm">{t.reviews.none}</Text>}
      {reviews.length > 0 && (
        <ol className="remarks" reversed>
          {reviews.toReversed().map((review) => (
            <li key={review.at}>
              <Text size="sm" fw={550}>
                {t.decision.kinds[review.decision]}
              </Text>
              <Text size="sm" className="said">
                {review.reason}
              </Text>
              <Text size="xs" c="dimmed">
                {t.reviews.line(review.by, new Date(review.at).toLocaleString(locale))}
                {review.measurement !== measurement?.hash && `; ${t.reviews.former}`}
              </Text>
            </li>
          ))}
        </ol>
      )}
    </Section>
  );
}
