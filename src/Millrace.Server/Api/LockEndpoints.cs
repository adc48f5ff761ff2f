using Microsoft.AspNetCore.Http;
using Millrace.Server.Security;
using Millrace.Storage.Http.Wire;

namespace Millrace.Server.Api;

/// <summary>Locks: leases by name with a fencing token.</summary>
internal static class LockEndpoints
{
    private static readonly NumberParameter WaitMs = new("waitMs", "How long to wait, in milliseconds.", 0, 0, long.MaxValue);

    public static readonly ApiRoute[] Routes =
    [
        new(HttpMethods.Get, "locks/{name}", "Who holds a lock.", InspectAsync) { Answer = "LockHolder", Problems = [ProblemMap.LockNotHeld] },
        new(HttpMethods.Post, "locks/{name}/acquire", "Takes a lock if nobody else holds it; a holder gets its grant prolonged.", AcquireAsync)
        {
            Body = ApiBody.Json("LockAcquisition"),
            Answer = "LockGrant",
            Problems = [ProblemMap.LockHeld],
        },
        new(HttpMethods.Post, "locks/{name}/renew", "Prolongs a grant.", RenewAsync) { Body = ApiBody.Json("LockRenewal"), Problems = [ProblemMap.LockNotHeld] },
        new(HttpMethods.Post, "locks/{name}/release", "Gives a lock up.", ReleaseAsync) { Body = ApiBody.Json("LockRelease"), Problems = [ProblemMap.LockNotHeld] },
        new(HttpMethods.Get, "locks/{name}/wait", "Waits until a lock may be free: 204 then, 202 when the wait has passed.", WaitAsync)
        {
            Query = [WaitMs],
            Success = [204, 202],
        },
    ];

    private static async Task InspectAsync(ApiCall call)
    {
        var name = LockOf(call, Permission.Receive);
        if (await call.Instance.Locks.InspectAsync(name, call.Aborted).ConfigureAwait(false) is { } holder)
        {
            await call.WriteAsync(200, json => LockWire.WriteHolder(json, holder)).ConfigureAwait(false);
        }
        else
        {
            await NotHeldAsync(call, $"Nobody holds the lock '{name}'.").ConfigureAwait(false);
        }
    }

    private static async Task AcquireAsync(ApiCall call)
    {
        var name = LockOf(call, Permission.Send);
        var (owner, token, lease) = await ReadAsync(call).ConfigureAwait(false);
        if (token is not null)
        {
            throw new WireFormatException("The field 'fencingToken' means nothing here: it is the answer.");
        }

        var grant = await call.Instance.Locks.TryAcquireAsync(name, owner, LeaseOf(lease), call.Aborted).ConfigureAwait(false);
        if (grant is null)
        {
            await call.ProblemAsync(new(ProblemMap.LockHeld, 409, "The lock is held", $"Another owner holds the lock '{name}'.")).ConfigureAwait(false);
            return;
        }

        await call.WriteAsync(200, json =>
        {
            json.WriteStartObject();
            json.WriteNumber(WireNames.FencingToken, grant.FencingToken);
            WireValues.WriteMilliseconds(json, WireNames.LeaseMs, grant.LeaseDuration);
            json.WriteEndObject();
        }).ConfigureAwait(false);
    }

    private static async Task RenewAsync(ApiCall call)
    {
        var name = LockOf(call, Permission.Send);
        var (owner, token, lease) = await ReadAsync(call).ConfigureAwait(false);
        await AnswerAsync(call, name, await call.Instance.Locks.RenewAsync(name, owner, TokenOf(token), LeaseOf(lease), call.Aborted).ConfigureAwait(false)).ConfigureAwait(false);
    }

    private static async Task ReleaseAsync(ApiCall call)
    {
        var name = LockOf(call, Permission.Send);
        var (owner, token, lease) = await ReadAsync(call).ConfigureAwait(false);
        if (lease is not null)
        {
            throw new WireFormatException("The field 'leaseMs' means nothing to a release.");
        }

        await AnswerAsync(call, name, await call.Instance.Locks.ReleaseAsync(name, owner, TokenOf(token), call.Aborted).ConfigureAwait(false)).ConfigureAwait(false);
    }

    private static async Task WaitAsync(ApiCall call)
    {
        var name = LockOf(call, Permission.Receive);
        var wait = call.Wait(WaitMs.Read(call));
        var free = await LongPoll.RunAsync(call, wait, token => call.Instance.Locks.WaitForReleaseAsync(name, token)).ConfigureAwait(false);
        if (!free)
        {
            call.RequireServing();
        }

        call.Context.Response.StatusCode = free ? StatusCodes.Status204NoContent : StatusCodes.Status202Accepted;
    }

    private static string LockOf(ApiCall call, Permission permission)
    {
        var name = call.Name("name");
        ResourceName.Require(name, "lock");
        call.Require(permission, ResourceKind.Lock, name);
        return name;
    }

    private static ValueTask<(string Owner, long? FencingToken, TimeSpan? LeaseDuration)> ReadAsync(ApiCall call) =>
        call.ReadJsonAsync(static (ref json) => LockWire.ReadRequest(ref json));

    private static TimeSpan LeaseOf(TimeSpan? lease) => lease switch
    {
        null => throw new WireFormatException("The field 'leaseMs' is missing: how long the grant holds without renewal."),
        _ when lease <= TimeSpan.Zero => throw new WireFormatException("The field 'leaseMs' must be above 0."),
        _ => ReceiverEndpoints.Bounded(lease.Value),
    };

    private static long TokenOf(long? token) => token ?? throw new WireFormatException("The field 'fencingToken' is missing: that of the grant.");

    private static Task AnswerAsync(ApiCall call, string name, bool wasHolder) =>
        wasHolder ? call.NoContentAsync() : NotHeldAsync(call, $"This grant of the lock '{name}' has ended.");

    private static Task NotHeldAsync(ApiCall call, string detail) => call.ProblemAsync(new(ProblemMap.LockNotHeld, 404, "The lock is not held", detail));
}
