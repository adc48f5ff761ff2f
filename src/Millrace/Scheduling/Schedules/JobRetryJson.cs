using System.Text.Json;
using Millrace.Storage.Http.Wire;

namespace Millrace.Scheduling.Schedules;

/// <summary>Retry policies in JSON.</summary>
internal static class JobRetryJson
{
    private static readonly JsonEncodedText Kind = JsonEncodedText.Encode("kind");
    private static readonly JsonEncodedText MaxAttempts = JsonEncodedText.Encode("maxAttempts");
    private static readonly JsonEncodedText DelayMs = JsonEncodedText.Encode("delayMs");
    private static readonly JsonEncodedText MaxDelayMs = JsonEncodedText.Encode("maxDelayMs");
    private static readonly JsonEncodedText Factor = JsonEncodedText.Encode("factor");
    private static readonly JsonEncodedText RetryOn = JsonEncodedText.Encode("retryOn");
    private static readonly JsonEncodedText FailOn = JsonEncodedText.Encode("failOn");
    private static readonly JsonEncodedText Exponential = JsonEncodedText.Encode("exponential");
    private static readonly JsonEncodedText Fixed = JsonEncodedText.Encode("fixed");
    private static readonly JsonEncodedText Linear = JsonEncodedText.Encode("linear");
    private static readonly JsonEncodedText Random = JsonEncodedText.Encode("random");

    /// <summary>Writes a policy as an object; what is as by default is left out.</summary>
    public static void Write(Utf8JsonWriter json, JobRetry retry)
    {
        var standard = JobRetry.Default;
        json.WriteStartObject();
        if (retry.Kind != standard.Kind)
        {
            json.WriteString(Kind, retry.Kind switch { RetryDelay.Fixed => Fixed, RetryDelay.Linear => Linear, RetryDelay.Random => Random, _ => Exponential });
        }

        if (retry.MaxAttempts != standard.MaxAttempts)
        {
            json.WriteNumber(MaxAttempts, retry.MaxAttempts);
        }

        if (retry.Delay != standard.Delay)
        {
            WireValues.WriteMilliseconds(json, DelayMs, retry.Delay);
        }

        if (retry.MaxDelay != standard.MaxDelay)
        {
            WireValues.WriteMilliseconds(json, MaxDelayMs, retry.MaxDelay);
        }

        if (retry.Factor != standard.Factor)
        {
            json.WriteNumber(Factor, retry.Factor);
        }

        WriteNames(json, RetryOn, retry.RetryOn);
        WriteNames(json, FailOn, retry.FailOn);
        json.WriteEndObject();
    }

    public static JobRetry Read(ref WireReader json)
    {
        var retry = JobRetry.Default;
        json.BeginObject();
        while (json.NextField())
        {
            if (json.Is(Kind))
            {
                retry = retry with
                {
                    Kind = json.Choice((Exponential, RetryDelay.Exponential), (Fixed, RetryDelay.Fixed), (Linear, RetryDelay.Linear), (Random, RetryDelay.Random)),
                };
            }
            else if (json.Is(MaxAttempts))
            {
                retry = retry with { MaxAttempts = json.Number(int.MinValue, int.MaxValue) };
            }
            else if (json.Is(DelayMs))
            {
                retry = retry with { Delay = json.Milliseconds() };
            }
            else if (json.Is(MaxDelayMs))
            {
                retry = retry with { MaxDelay = json.Milliseconds() };
            }
            else if (json.Is(Factor))
            {
                retry = retry with { Factor = ReadFactor(json.Raw()) };
            }
            else if (json.Is(RetryOn))
            {
                retry = retry with { RetryOn = ReadNames(ref json) };
            }
            else if (json.Is(FailOn))
            {
                retry = retry with { FailOn = ReadNames(ref json) };
            }
            else
            {
                json.Unknown(Kind, MaxAttempts, DelayMs, MaxDelayMs, Factor, RetryOn, FailOn);
            }
        }

        return retry;
    }

    private static double ReadFactor(ReadOnlySpan<byte> raw)
    {
        var reader = new Utf8JsonReader(raw);
        return reader.Read() && reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out var factor)
            ? factor
            : throw new WireFormatException("The field 'factor' of a retry policy must be a number.");
    }

    private static void WriteNames(Utf8JsonWriter json, JsonEncodedText field, IReadOnlyList<string> names)
    {
        if (names.Count == 0)
        {
            return;
        }

        json.WriteStartArray(field);
        foreach (var name in names)
        {
            json.WriteStringValue(name);
        }

        json.WriteEndArray();
    }

    private static List<string> ReadNames(ref WireReader json)
    {
        var names = new List<string>();
        json.BeginArray();
        while (json.NextElement())
        {
            names.Add(json.Text());
        }

        return names;
    }
}
