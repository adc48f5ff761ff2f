using System.Net;
using System.Text.Json;
using Millrace.Storage.Http.Wire;

namespace Millrace.Storage.Http;

/// <summary>The locks of a server.</summary>
internal sealed class HttpLockStore(ApiConnection connection, NodeInfo node) : ILockStore
{
    public async ValueTask<LockGrant?> TryAcquireAsync(string name, string owner, TimeSpan leaseDuration, CancellationToken cancellationToken = default)
    {
        // Repeatable, because acquiring is idempotent for an owner.
        var request = Make(name, "acquire", owner, null, leaseDuration) with { IsRepeatable = true };
        using var body = request.Body;
        var answer = await connection.ExchangeAsync(request, retries: true, cancellationToken).ConfigureAwait(false);
        if (answer.Problem?.Code == ProblemMap.LockHeld)
        {
            answer.Dispose();
            return null;
        }

        if (answer.Problem is not null)
        {
            throw connection.Fault(answer);
        }

        using (answer)
        {
            return new LockGrant(AnswerReading.Number(connection, answer, WireNames.FencingToken), leaseDuration);
        }
    }

    public ValueTask<bool> RenewAsync(string name, string owner, long fencingToken, TimeSpan leaseDuration, CancellationToken cancellationToken = default) =>
        HoldsAsync(Make(name, "renew", owner, fencingToken, leaseDuration) with { IsRepeatable = true }, cancellationToken);

    public ValueTask<bool> ReleaseAsync(string name, string owner, long fencingToken, CancellationToken cancellationToken = default) =>
        HoldsAsync(Make(name, "release", owner, fencingToken, null), cancellationToken);

    public async ValueTask<LockHolder?> InspectAsync(string name, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(name, "lock");
        var answer = await connection.ExchangeAsync(new ApiRequest(HttpMethod.Get, ApiPath.Lock(name)) { IsRepeatable = true }, retries: true, cancellationToken).ConfigureAwait(false);
        if (answer.Problem?.Code == ProblemMap.LockNotHeld)
        {
            answer.Dispose();
            return null;
        }

        if (answer.Problem is not null)
        {
            throw connection.Fault(answer);
        }

        using (answer)
        {
            return AnswerReading.From(connection, answer, static (ref json) => LockWire.ReadHolder(ref json));
        }
    }

    public async ValueTask WaitForReleaseAsync(string name, CancellationToken cancellationToken = default)
    {
        ResourceName.Require(name, "lock");
        var path = ApiPath.Lock(name, "wait") + ApiPath.Query(("waitMs", WireValues.Text((long)node.PollTime.TotalMilliseconds)));
        while (true)
        {
            var request = new ApiRequest(HttpMethod.Get, path) { IsRepeatable = true, Wait = node.PollTime };
            using var answer = await connection.SendAsync(request, cancellationToken).ConfigureAwait(false);
            if (answer.Status == HttpStatusCode.NoContent)
            {
                return;
            }
        }
    }

    private async ValueTask<bool> HoldsAsync(ApiRequest request, CancellationToken cancellationToken)
    {
        using var body = request.Body;
        var answer = await connection.ExchangeAsync(request, retries: true, cancellationToken).ConfigureAwait(false);
        if (answer.Problem is { Code: not ProblemMap.LockNotHeld })
        {
            throw connection.Fault(answer);
        }

        using (answer)
        {
            return answer.Problem is null;
        }
    }

    private static ApiRequest Make(string name, string action, string owner, long? fencingToken, TimeSpan? leaseDuration)
    {
        ResourceName.Require(name, "lock");
        ArgumentNullException.ThrowIfNull(owner);
        ResourceName.RequireLockOwner(owner);
        if (leaseDuration is { } duration)
        {
            ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(duration, TimeSpan.Zero, nameof(leaseDuration));
        }

        return new ApiRequest(HttpMethod.Post, ApiPath.Lock(name, action)) { Body = JsonBody.Of(Write) };

        void Write(Utf8JsonWriter json) => LockWire.WriteRequest(json, owner, fencingToken, leaseDuration);
    }
}
