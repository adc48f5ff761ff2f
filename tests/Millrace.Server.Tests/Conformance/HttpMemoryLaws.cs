using Millrace.Testing;
using Millrace.Testing.Channels;
using Millrace.Testing.Locks;
using Millrace.Testing.Queues;
using Millrace.Testing.State;
using Millrace.Testing.Streams;

namespace Millrace.Server.Tests.Conformance;

/// <summary>A server over <c>memory:</c>. Its queues end with the server's process, so there is nothing to reopen.</summary>
public sealed class HttpMemoryFixture : HttpFixture
{
    public override IReadOnlyCollection<string> AllowedSkips => [.. base.AllowedSkips, Reopening];

    protected override string StoreUrl => "memory:";
}

public sealed class HttpMemoryBackendTests : BackendConformance<HttpMemoryFixture>;

public sealed class HttpMemoryQueueTests : QueueConformance<HttpMemoryFixture>;

public sealed class HttpMemoryQueueAdminTests : QueueAdminConformance<HttpMemoryFixture>;

public sealed class HttpMemoryQueueRoutingTests : QueueRoutingConformance<HttpMemoryFixture>;

public sealed class HttpMemoryQueueTransactionTests : QueueTransactionConformance<HttpMemoryFixture>;

public sealed class HttpMemoryChannelTests : ChannelConformance<HttpMemoryFixture>;

public sealed class HttpMemoryLockTests : LockConformance<HttpMemoryFixture>;

public sealed class HttpMemoryStateTests : StateConformance<HttpMemoryFixture>;

public sealed class HttpMemoryStreamTests : StreamConformance<HttpMemoryFixture>;
